#!/bin/sh
# 安装或更新考试机程序，不需要网络。Install or update the exam agent; no network is needed.
#
#   sudo [STATION=http://192.168.1.2:8080] [FINGERPRINT=k3vd-…] [SEAT=12] [ROOM=…] [PYTHON=python3] sh install.sh [--silent]
#
# Exit status: 0 done; 2 wrong words; 10 locked for a test; 11 not all could be put back; 12 not root; 13 this PC cannot
# run it; 20 installed, but not yet registered with the station.
set -eu
HERE=$(cd "$(dirname "$0")" && pwd)
# Python looks for its own modules where it is started, too: for root never in a folder that others may write to.
cd /
VERSION=$(cat "$HERE/VERSION")
HOME_DIR=/opt/exam-agent
CURRENT=$HOME_DIR/current
UNIT=/etc/systemd/system/exam-agent.service
PYTHON=${PYTHON:-python3}
SILENT=no

say() { printf '%s\n' "$1"; }
refuse() {
    printf '%s\n' "$2" >&2
    exit "$1"
}
agent() { "$CURRENT/bin/python" -I -m client_agent "$@"; }
service() {
    # A PC whose first process is not systemd (a container, a test) has no service to be told.
    if [ -d /run/systemd/system ]; then systemctl "$@"; fi
}

for word in "$@"; do
    case $word in
    --silent) SILENT=yes ;;
    *) refuse 2 "用法 usage: sudo [STATION=…] [FINGERPRINT=…] [SEAT=…] [ROOM=…] sh install.sh [--silent]" ;;
    esac
done
[ "$(id -u)" = 0 ] || refuse 12 "请用 sudo 运行。Run this with sudo."
"$PYTHON" -c 'import sys, venv; sys.exit(sys.version_info < (3, 8))' 2>/dev/null ||
    refuse 13 "需要 Python 3.8 或更高版本（含 venv）。Python 3.8 or later is needed, with venv."
if [ "$SILENT" = no ] && [ -t 0 ]; then
    say "将安装考试机程序 $VERSION 到 $HOME_DIR，并登记系统服务 exam-agent。"
    if [ -z "${STATION:-}" ]; then
        printf '考站地址（可不填，自动查找）Address of the station, or nothing: '
        read -r STATION
    fi
    if [ -z "${SEAT:-}" ]; then
        printf '本机考位号（可不填）Seat number, or nothing: '
        read -r SEAT
    fi
fi

# 1. The new program is made beside the old one and tried before anything of the old one is touched.
mkdir -p "$HOME_DIR/versions"
NEW=$(mktemp -d "$HOME_DIR/versions/$VERSION-XXXXXX")
trap 'rm -rf "$NEW"' EXIT
cannot_run() {
    refuse 13 "程序无法在本机运行（见上），没有改动原有程序。It does not run on this PC (see above); nothing was changed."
}
chmod 755 "$NEW"
PIP=$(find "$HERE/wheels" -name 'pip-*.whl' | sort | tail -n 1)
if [ -n "$PIP" ]; then
    "$PYTHON" -m venv --without-pip "$NEW" || cannot_run
    PYTHONPATH=$PIP
    export PYTHONPATH
else
    "$PYTHON" -m venv "$NEW" || cannot_run
fi
# Only what lies here, whatever this PC's own settings of pip say.
PIP_CONFIG_FILE=/dev/null "$NEW/bin/python" -m pip --isolated install --quiet --disable-pip-version-check --no-cache-dir --no-index \
    --find-links "$HERE/wheels" "exam-station-agent==$VERSION" || cannot_run
unset PYTHONPATH
"$NEW/bin/python" -I -c \
    'import client_agent.__main__, psutil, cryptography.hazmat.primitives.asymmetric.ed25519' || cannot_run
mkdir -p "$NEW/share"
cp "$HERE/uninstall.sh" "$HERE/LICENSE" "$NEW/share/"

# 2. Not while a test is on; then the old program ends and puts everything back.
if [ -x "$CURRENT/bin/python" ]; then
    agent restore --unless-locked ||
        refuse 10 "本机正锁定考试，或有更改未恢复，没有更新。This PC is locked or not put back; nothing was updated."
    service stop exam-agent.service || true
    if ! agent restore; then
        service start exam-agent.service
        refuse 11 "有更改未能恢复，原程序保留。Not all could be put back; the old program stays."
    fi
fi

# 3. The new one takes its place in one step.
ln -s "$NEW" "$HOME_DIR/next"
mv -T "$HOME_DIR/next" "$CURRENT"
trap - EXIT
cp "$HERE/exam-agent.service" "$UNIT"
cat >/usr/local/bin/exam-agent <<'WRAPPER'
#!/bin/sh
exec /opt/exam-agent/current/bin/python -I -m client_agent "$@"
WRAPPER
chmod 755 /usr/local/bin/exam-agent
for old in "$HOME_DIR"/versions/*; do
    [ "$old" = "$NEW" ] || rm -rf "$old"
done

# 4. Tell it its station and seat; without a station it looks for one when it runs.
STATUS=0
set --
[ -z "${FINGERPRINT:-}" ] || set -- --fingerprint "$FINGERPRINT"
if [ -n "${STATION:-}" ]; then
    agent pair "$STATION" --later "$@" || STATUS=20
fi
if [ -n "${SEAT:-}" ]; then
    [ -z "${ROOM:-}" ] || set -- "$@" --room "$ROOM"
    if ! agent pair "${STATION:-auto}" --seat "$SEAT" "$@"; then
        say "已安装，尚未登记考位：程序会继续自动登记，也可在监考台“考试机”页面处理。Installed, but not yet registered."
        STATUS=20
    fi
fi

service daemon-reload
service enable --quiet exam-agent.service
service restart exam-agent.service
for program in nft setxkbmap xkbcomp; do
    command -v "$program" >/dev/null || say "缺少 $program：锁定前须安装。$program is missing: install it before tests."
done
say "考试机程序 $VERSION 已安装。Exam agent $VERSION is installed."
# The agent unpacks an update into a folder of its own and is not there any more to remove it.
case $HERE in
*/exam-agent-update-*/exam-agent-*) rm -rf "$(dirname "$HERE")" ;;
esac
exit "$STATUS"
