#!/bin/sh
# 卸载考试机程序：先恢复本机，再删除。Remove the exam agent: restore this PC first, then remove.
#
#   sudo sh /opt/exam-agent/current/share/uninstall.sh
#
# Exit status: 0 removed; 10 locked for a test; 11 not all could be put back; 12 not root.
set -eu
HOME_DIR=/opt/exam-agent
CURRENT=$HOME_DIR/current
STATE=/var/lib/exam-agent

refuse() {
    printf '%s\n' "$2" >&2
    exit "$1"
}
agent() { "$CURRENT/bin/python" -I -m client_agent "$@"; }
service() {
    if [ -d /run/systemd/system ]; then systemctl "$@"; fi
}

[ "$(id -u)" = 0 ] || refuse 12 "请用 sudo 运行。Run this with sudo."
cd /
agent restore --unless-locked ||
    refuse 10 "本机正锁定考试，或有更改未恢复，没有卸载。This PC is locked or not put back; nothing was removed."
service stop exam-agent.service || true
if ! agent restore; then
    service start exam-agent.service
    refuse 11 "有更改未能恢复，没有卸载。Not all could be put back; nothing was removed."
fi
service disable --quiet exam-agent.service || true
rm -f /etc/systemd/system/exam-agent.service /usr/local/bin/exam-agent
service daemon-reload
# Candidates' work folders lie elsewhere and are not touched.
if ls "$STATE"/undo.json* >/dev/null 2>&1; then
    printf '%s\n' "还原文件仍在，保留 $STATE。An undo file is left, so $STATE stays."
else
    rm -rf "$STATE" "$STATE-browser"
fi
rm -rf "$HOME_DIR"
printf '%s\n' "考试机程序已卸载。The exam agent is removed."
