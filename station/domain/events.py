"""Catalogue of journal events: id, who may cause it, and the sentence that the live list shows.

Sentences are filled from the event's details; `who` is a candidate ("candidate"), staff ("staff") or the
station itself ("station").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Weight(StrEnum):
    """How loud an event is on the board."""

    QUIET = "quiet"
    NORMAL = "normal"
    ALARM = "alarm"


@dataclass(frozen=True)
class Event:
    """One kind of journal entry."""

    id: str
    who: str
    zh: str
    en: str
    weight: Weight = Weight.NORMAL

    def sentence(self, details: Mapping[str, object], language: str = "zh") -> str:
        """Fill the sentence; a detail that is absent shows as '—' so that an old entry always reads."""
        return (self.en if language == "en" else self.zh).format_map(_Blanks(details))


class _Blanks(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return "—"


CATALOGUE: dict[str, Event] = {}


def _event(event_id: str, who: str, zh: str, en: str, weight: Weight = Weight.NORMAL) -> None:
    CATALOGUE[event_id] = Event(event_id, who, zh, en, weight)


_event("station_started", "station", "考站启动（版本 {version}）", "Station started (version {version})")
_event("station_stopped", "station", "考站正常停止", "Station stopped cleanly")
_event(
    "outage_found",
    "station",
    "考站中断 {length_zh}后恢复，已补时 {compensated} 名考生",
    "Station was down for {length_en}; {compensated} candidates were given the time back",
    Weight.ALARM,
)
_event(
    "outage_waits",
    "station",
    "考站中断 {length_zh}，超过自动恢复上限，等待监考员“继续考试”",
    "Station was down for {length_en}, above the limit: waiting for an invigilator to resume",
    Weight.ALARM,
)
_event(
    "clock_jumped",
    "station",
    "服务器时钟跳变 {seconds} 秒，考试计时不受影响，请校准时间",
    "The server's clock jumped by {seconds} s; running deadlines are not affected. Please set it right",
    Weight.ALARM,
)
_event(
    "clock_doubted",
    "station",
    "服务器时间比中断前的最后记录{off_zh}，不可信，请在监控页面确认正确时间",
    "The server's time is {off_en} the last record before: not believed, confirm the right time on the board",
    Weight.ALARM,
)
_event(
    "clock_settled", "staff", "确认考站时间，调整 {seconds} 秒", "Time of the station confirmed, moved by {seconds} s"
)
_event(
    "body_answered",
    "staff",
    "中断 {minutes} 分钟，认证机构答复：{word}",
    "After {minutes} min of interruption the certificate body says: {word}",
    Weight.ALARM,
)
_event(
    "station_joined",
    "station",
    "考站又一进程启动（版本 {version}）",
    "One more process of the station started (version {version})",
    Weight.QUIET,
)
_event(
    "station_trouble",
    "station",
    "考站后台任务 {job} 出错（{reason}），正在重试，请报告技术人员",
    "The station's job {job} failed ({reason}) and is tried again. Tell the technician",
    Weight.ALARM,
)
_event(
    "saves_refused",
    "station",
    "有 {count} 次保存未能写入服务器，答案仍在考生机上并会自动重发，请检查磁盘空间",
    "{count} saves could not be written. The answers are kept on the PCs and sent again: check the disk",
    Weight.ALARM,
)
_event(
    "disk_low",
    "station",
    "磁盘空闲仅 {free}：已停写运行日志、暂停接收考生文件，答案照常保存，请清理磁盘",
    "Only {free} of disk free: the log is silent, files are refused, answers are saved. Make room",
    Weight.ALARM,
)
_event(
    "ballast_released",
    "station",
    "磁盘写满，已释放预留空间 {size} 供答案保存，请立即清理磁盘",
    "The disk is full: {size} kept in reserve were set free for the answers. Make room now",
    Weight.ALARM,
)
_event(
    "disk_filling",
    "station",
    "按当前速度磁盘约 {hours} 小时后写满（空闲 {free}），请清理磁盘",
    "At this rate the disk is full in about {hours} h ({free} free): make room",
    Weight.ALARM,
)
_event(
    "disk_recovered",
    "station",
    "磁盘空闲恢复到 {free}，恢复接收文件和运行日志",
    "{free} of disk are free again: files and log go on",
)
_event(
    "disk_tight_accepted",
    "staff",
    "确认磁盘空间偏紧仍开考（预计需 {full}，空闲 {free}）",
    "Start confirmed although disk space is tight ({full} may be needed, {free} free)",
    Weight.ALARM,
)
_event(
    "marking_failed",
    "station",
    "客观题评分失败（{reason}），成果包照常上报，由认证机构评分",
    "Marking failed ({reason}). The package goes out all the same; the certificate body marks",
    Weight.ALARM,
)
_event("package_retried", "staff", "成果包 {name} 立即重试", "Package {name} put in line again")
_event("clock_followed", "station", "考站已采用校准后的服务器时间", "The station goes by the corrected time now")
_event("staff_logged_in", "staff", "{name} 登录监考台", "{name} logged in to the console", Weight.QUIET)
_event("staff_logged_out", "staff", "{name} 退出监考台", "{name} logged out", Weight.QUIET)
_event("staff_login_failed", "staff", "账号 {username} 登录失败", "Failed log-in for {username}", Weight.NORMAL)
_event("staff_added", "staff", "新增工作人员账号 {username}（{role}）", "Staff account {username} ({role}) added")
_event("password_changed", "staff", "{name} 修改了口令", "{name} changed the password", Weight.QUIET)
_event("address_allowed", "staff", "允许监考机地址 {address}", "Invigilator PC {address} let in")
_event("plan_imported", "staff", "导入考试计划 {code}", "Exam plan {code} imported")
_event("roster_imported", "staff", "导入名单：{subject}，{count} 人", "Roster imported: {subject}, {count} entries")
_event("photos_imported", "staff", "导入照片 {count} 张", "{count} photos imported")
_event("paper_imported", "staff", "导入试卷 {code}（{items} 题）", "Paper {code} imported ({items} items)")
_event("seat_opened", "staff", "考位 {seat} 的考生机已就位", "Workstation of seat {seat} opened")
_event("admission_opened", "staff", "开放考生登录", "Log-in opened for candidates")
_event("sitting_started", "staff", "{subject} 开考", "{subject} started")
_event("sitting_postponed", "staff", "开考推迟 {minutes} 分钟：{reason}", "Start postponed by {minutes} min: {reason}")
_event("sitting_closed", "staff", "场次结束", "Sitting closed")
_event("sitting_delivered", "station", "成绩数据已上报并收到回执 {code}", "Results delivered, receipt {code}")
_event("candidate_logged_in", "candidate", "考位 {seat} {name} 登录", "Seat {seat}: {name} logged in", Weight.QUIET)
_event(
    "candidate_login_failed",
    "candidate",
    "准考证号 {ticket} 登录失败（口令错误）",
    "Failed log-in for ticket {ticket} (wrong password)",
)
_event(
    "login_waits",
    "candidate",
    "{name} 在考位 {seat} 登录，与名单考位 {own_seat} 不符，等待监考员放行",
    "{name} logged in at seat {seat} instead of {own_seat}: waiting for release",
    Weight.ALARM,
)
_event("login_released", "staff", "放行 {name} 在考位 {seat} 登录", "{name} released at seat {seat}")
_event(
    "second_login",
    "candidate",
    "{name} 在另一处（{seat}）再次登录，原页面已停止作答",
    "{name} logged in a second time ({seat}); the other page stopped answering",
    Weight.ALARM,
)
_event("identity_confirmed", "candidate", "{name} 确认身份信息", "{name} confirmed the identity", Weight.QUIET)
_event(
    "identity_disputed",
    "candidate",
    "{name} 报告身份信息有误，请核对证件",
    "{name} says the identity shown is wrong: compare the documents",
    Weight.ALARM,
)
_event("paper_opened", "candidate", "考位 {seat} {name} 开始作答", "Seat {seat}: {name} opened the paper", Weight.QUIET)
_event("came_late", "candidate", "{name} 迟到 {minutes} 分钟入场", "{name} came {minutes} min late")
_event(
    "late_start_shifted",
    "station",
    "{name} 因上一科目延时，本科目顺延 {seconds} 秒",
    "{name} starts {seconds} s later because the subject before ran late",
)
_event("marked_absent", "staff", "{name} 记为缺考", "{name} recorded as absent")
_event("absence_withdrawn", "staff", "撤销 {name} 的缺考记录", "Absence of {name} withdrawn")
_event("handed_in", "candidate", "考位 {seat} {name} 交卷，回执 {receipt}", "Seat {seat}: {name} handed in, {receipt}")
_event(
    "collected", "station", "考位 {seat} {name} 到时收卷，回执 {receipt}", "Seat {seat}: {name} collected, {receipt}"
)
_event(
    "collected_by_staff",
    "staff",
    "考位 {seat} {name} 由监考员收卷：{reason}",
    "Seat {seat}: {name} collected by staff: {reason}",
)
_event("attempt_suspended", "staff", "暂停 {name}：{reason}", "{name} suspended: {reason}")
_event("attempt_resumed", "staff", "恢复 {name}，补时 {seconds} 秒", "{name} resumed, {seconds} s given back")
_event("sitting_suspended", "staff", "全场暂停：{reason}", "Whole sitting suspended: {reason}", Weight.ALARM)
_event("sitting_resumed", "staff", "全场恢复考试", "Whole sitting resumed")
_event(
    "attempt_cancelled", "staff", "终止 {name} 的考核：{reason}", "Test of {name} terminated: {reason}", Weight.ALARM
)
_event(
    "extension_proposed",
    "staff",
    "申请延时 {length_zh}（{count} 人）：{reason}",
    "Extension of {length_en} proposed for {count}: {reason}",
)
_event(
    "extension_confirmed",
    "staff",
    "{by_name} 确认 {name} 延时 {length_zh}，等待另一方",
    "{by_name} confirmed {length_en} for {name}; the other side is awaited",
)
_event("extension_granted", "staff", "{name} 延时 {length_zh}生效", "{name} extended by {length_en}")
_event("extension_refused", "staff", "{name} 延时 {length_zh}未获批准", "Extension of {length_en} for {name} refused")
_event(
    "pc_came_back",
    "station",
    "{name} 在考位 {seat} 恢复作答，距上次操作 {length_zh}",
    "{name} goes on at seat {seat}, {length_en} after the last act",
)
_event(
    "seat_moved",
    "staff",
    "{name} 由考位 {old_seat} 换至 {new_seat}：{reason}",
    "{name} moved {old_seat} → {new_seat}: {reason}",
)
_event("message_sent", "staff", "发送消息：{text}", "Message sent: {text}", Weight.QUIET)
_event("incident_recorded", "staff", "{kind_zh}：{text}", "{kind_en}: {text}", Weight.ALARM)
_event("leave_began", "staff", "{name} 临时离场", "{name} left for a moment")
_event("leave_ended", "staff", "{name} 返回考场", "{name} came back")
_event("early_leave_allowed", "staff", "主考同意提前交卷（{count} 人）", "Early hand-in allowed for {count}")
_event("help_asked", "candidate", "考位 {seat} {name} 举手", "Seat {seat}: {name} raised a hand", Weight.ALARM)
_event("help_answered", "staff", "已应答考位 {seat} 举手", "Hand at seat {seat} answered", Weight.QUIET)
_event(
    "save_came_late",
    "candidate",
    "{name} 有 {count} 条答案在截止后到达，已保留待裁定",
    "{count} answers of {name} arrived after the deadline: kept, to be decided",
    Weight.ALARM,
)
_event(
    "work_came_late",
    "station",
    "考位 {seat} {name} 有 {count} 个作品文件在截止后到达，已保留待裁定",
    "Seat {seat} {name}: {count} work files arrived after the deadline: kept, to be decided",
    Weight.ALARM,
)
_event(
    "work_came_from_old_pc",
    "station",
    "考位 {seat} {name} 的原考试机补送了 {count} 个作品文件版本",
    "The PC that {name} of seat {seat} has left brought {count} versions of work files",
)
_event(
    "work_taken_back",
    "candidate",
    "考位 {seat} {name} 恢复作品文件 {path} 的第 {version} 版",
    "Seat {seat} {name} took back version {version} of {path}",
    Weight.QUIET,
)
_event(
    "work_settled",
    "station",
    "考位 {seat} {name} 的作品文件已全部收齐（{versions} 个版本）",
    "Seat {seat} {name}: all work files have come ({versions} versions)",
    Weight.QUIET,
)
_event("late_saves_accepted", "staff", "迟到答案采纳 {count} 条（{name}）", "{count} late answers accepted ({name})")
_event(
    "save_conflict",
    "candidate",
    "{name} 的同一保存编号收到不同内容，均已留存",
    "Two bodies under one save number from {name}; both kept",
    Weight.ALARM,
)
_event(
    "backup_made",
    "station",
    "自动备份第 {number} 份完成，已读回校验",
    "Backup {number} made and read back",
    Weight.QUIET,
)
_event(
    "backup_confirmed",
    "station",
    "备份第 {number} 份完成，已读回校验：{folder}",
    "Backup {number} made and read back: {folder}",
)
_event(
    "backup_failed",
    "station",
    "备份未成功：{reason}考试照常进行，稍后自动重试",
    "No backup could be made: {reason} The test goes on; it is tried again",
    Weight.ALARM,
)
_event(
    "backup_unsound",
    "station",
    "备份第 {number} 份已完成，但本站数据有缺损：{flaw}，请立即报告技术人员",
    "Backup {number} was made, but the station itself is damaged: {flaw}. Tell the technician now",
    Weight.ALARM,
)
_event("recovery_code_made", "staff", "生成备份恢复码，已显示一次", "A recovery code was made and shown once")
_event(
    "station_restored",
    "staff",
    "考站由备份第 {number} 份（{made_at}）恢复到 {machine}，原服务器最后工作于 {alive_at}，请勿再开启原服务器",
    "Station restored from backup {number} ({made_at}) on {machine}; the old server was last alive at {alive_at}: "
    "never start it again",
    Weight.ALARM,
)
_event("marked", "station", "客观题评分完成：{count} 份", "Objective items marked: {count} attempts")
_event(
    "package_built",
    "station",
    "成果包 {number} 已生成（{attempts} 份作答）",
    "Result package {number} built ({attempts})",
)
_event("package_sent", "station", "成果包已送达上级平台，等待回执", "Package arrived at the central platform")
_event("package_confirmed", "station", "收到上级平台回执 {code}", "Receipt {code} of the central platform checked")
_event("package_exported", "staff", "成果包导出到文件 {name}", "Package exported to {name}")
_event(
    "package_troubled",
    "station",
    "成果包上传需要处理：{reason}",
    "The upload needs attention: {reason}",
    Weight.ALARM,
)
_event(
    "readiness_worsened",
    "station",
    "{machine_zh} 检查未通过：{faults_zh}",
    "{machine_en} fails the room check: {faults_en}",
    Weight.QUIET,
)
_event("readiness_restored", "station", "{machine_zh} 检查通过", "{machine_en} passes the room check", Weight.QUIET)
_event(
    "room_sealed",
    "staff",
    "{room} 封场（技术人员 {technician}，考务 {exam_officer}）",
    "{room} sealed (technician {technician}, exam officer {exam_officer})",
)
_event(
    "room_seal_forced",
    "staff",
    "{room} 尚有 {count} 项未完成，由机构技术支持 {name} 决定封场：{reason}（{points_zh}）",
    "{room} sealed with {count} points open by technical support {name}: {reason} ({points_en})",
    Weight.ALARM,
)
_event(
    "room_seal_confirmed",
    "staff",
    "{room} 封场经机构技术支持 {name} 确认（{way}）",
    "Sealing of {room} confirmed by technical support {name} ({way})",
)
_event(
    "room_seal_broken",
    "station",
    "{room} 封场后有变化：{machine_zh} {differences_zh}",
    "{room} changed after the sealing: {machine_en} {differences_en}",
    Weight.ALARM,
)
_event(
    "room_seal_accepted",
    "staff",
    "认可 {room} 封场后的变化（{machine_zh} {differences_zh}）：{reason}",
    "Change after the sealing of {room} accepted ({machine_en} {differences_en}): {reason}",
)
_event("room_unsealed", "staff", "{room} 解除封场：{reason}", "{room} unsealed: {reason}", Weight.ALARM)
_event("pairing_opened", "staff", "开放{room}考试机登记", "PCs of {room} may register")
_event("pairing_closed", "staff", "关闭{room}考试机登记", "PCs of {room} may register no more")
_event(
    "device_registered",
    "staff",
    "考试机 {name} 登记（考位 {seat}，地址 {address}）",
    "PC {name} registered (seat {seat}, address {address})",
)
_event(
    "device_doubted",
    "station",
    "考试机 {name}（考位 {seat}）由硬件不同的电脑登记（{differences_zh}，地址 {address}），待技术人员确认",
    "PC {name} (seat {seat}) registered by one that differs ({differences_en}; address {address}): confirm it",
    Weight.ALARM,
)
_event(
    "device_copy_refused",
    "station",
    "拒绝另一台电脑（地址 {address}）登记为考试机 {name}（考位 {seat}）：原机正在连线",
    "Another PC ({address}) was refused as {name} (seat {seat}), which is connected",
    Weight.ALARM,
)
_event("device_confirmed", "staff", "确认考试机 {name}（考位 {seat}）", "PC {name} (seat {seat}) confirmed")
_event("device_seated", "staff", "考试机 {name} 在本机登记为考位 {seat}", "PC {name} took seat {seat}")
_event("device_given_seat", "staff", "指定考试机 {name} 为考位 {seat}", "PC {name} given seat {seat}")
_event("device_updated", "station", "考试机 {name} 的程序已更新为 {version}", "Agent of PC {name} is now {version}")
_event("device_removed", "staff", "移除考试机 {name}（考位 {seat}）", "PC {name} taken away (seat {seat})")
_event("devices_commanded", "staff", "{act_zh}：考位 {seats}（{text}）", "{act_en}: seats {seats} ({text})")
_event("command_withdrawn", "staff", "撤回“{act_zh}”：考位 {seat}", "Withdrawn: {act_en}, seat {seat}")
_event(
    "command_failed",
    "station",
    "考位 {seat} 未能{act_zh}：{text}",
    "Seat {seat} could not {act_en}: {text}",
    Weight.ALARM,
)
_event("screens_locked", "staff", "锁定屏幕：考位 {seats}，提示“{text}”", "Screens locked ({text}): seats {seats}")
_event("screens_released", "staff", "恢复屏幕：考位 {seats}", "Screens released: seats {seats}")
_event("picture_came", "station", "收到考位 {seat} 的屏幕画面（{size_kb} KB）", "Picture of seat {seat} ({size_kb} KB)")
_event(
    "device_freed",
    "staff",
    "解除考位 {seat} 考试机 {name} 的锁定：{reason}",
    "PC {name} at seat {seat} unlocked: {reason}",
    Weight.ALARM,
)
_event("device_held", "staff", "重新锁定考位 {seat} 考试机 {name}", "PC {name} at seat {seat} locked again")
_event(
    "unlock_code_shown",
    "staff",
    "查看考位 {seat} 考试机 {name} 的解锁码：{reason}",
    "Unlock code of PC {name} at seat {seat} shown: {reason}",
    Weight.ALARM,
)
_event(
    "unlock_sheet_printed",
    "staff",
    "打印{room}解锁码密封单（{count} 台）",
    "Sealed sheet of unlock codes of {room} printed ({count} PCs)",
    Weight.ALARM,
)
_event(
    "unlocked_by_code",
    "candidate",
    "考位 {seat} 考试机 {name} 已用解锁码 {code} 解除锁定",
    "PC {name} at seat {seat} was unlocked by code {code}",
    Weight.ALARM,
)
_event(
    "unlock_acknowledged",
    "staff",
    "已知悉考位 {seat} 考试机 {name} 用解锁码 {code} 解除锁定",
    "Noted that PC {name} at seat {seat} was unlocked by code {code}",
)
_event(
    "device_troubled",
    "station",
    "考位 {seat} 考试机报告：{text_zh}",
    "PC of seat {seat} reports: {text_en}",
    Weight.ALARM,
)
_event(
    "candidate_let_back",
    "station",
    "考位 {seat} 考试机重启，{name} 免口令回到作答",
    "PC of seat {seat} came back: {name} goes on without a password",
)
_event(
    "accessibility_set",
    "staff",
    "{name} 的无障碍设置：{aids_zh}（{reason}）",
    "Accessibility for {name}: {aids_en} ({reason})",
)
_event(
    "rehearsal_begun",
    "staff",
    "【演练】{room}开始压力演练：{players} 名模拟考生，{minutes} 分钟",
    "[REHEARSAL] begun in {room}: {players} candidates, {minutes} minutes",
)
_event("rehearsal_passed", "station", "【演练】{room}演练通过：{text_zh}", "[REHEARSAL] {room} passed: {text_en}")
_event(
    "rehearsal_failed",
    "station",
    "【演练】{room}演练未通过：{text_zh}",
    "[REHEARSAL] {room} not passed: {text_en}",
    Weight.ALARM,
)
_event("rehearsal_broken", "station", "【演练】{room}演练中断", "[REHEARSAL] {room}: broken off")
_event("trial_opened", "staff", "【试考】{room}开放试考：{seats} 个考位", "[TRIAL] opened in {room}: {seats} seats")
_event("trial_started", "staff", "【试考】{room}试考开始", "[TRIAL] started in {room}")
_event(
    "trial_ended",
    "staff",
    "【试考】{room}试考结束：{came} 台参加，{saved} 台有保存",
    "[TRIAL] ended in {room}: {came} PCs took part, {saved} saved",
)
_event("trial_wiped", "staff", "【试考】{room}试考数据已清除", "[TRIAL] {room}: its answers were removed")
