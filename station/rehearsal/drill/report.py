"""The drill's report: one page to print, with all that somebody needs who was not there."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from station import __version__
from station.rehearsal.drill.outcome import Outcome
from station.rehearsal.drill.result import Bilingual, FaultResult

_STYLE = """
@page { size: A4; margin: 10mm 12mm; }
* { box-sizing: border-box; }
body { font: 8.6pt/1.3 "Noto Sans CJK SC", "Microsoft YaHei", "PingFang SC", sans-serif; color: #111;
  margin: 0 auto; max-width: 186mm; }
@media screen { body { padding: 5mm 0; font-size: 10pt; max-width: 215mm; } }
h1 { font-size: 15pt; margin: 0; }
h1 small { font-size: 9.5pt; font-weight: normal; }
small, .en { color: #555; font-size: .82em; }
.en { display: block; line-height: 1.2; }
.verdict { border: 1.5pt solid; padding: 1.2mm 3mm; margin: 2mm 0; }
.verdict b { font-size: 12.5pt; margin-right: 5mm; }
.verdict.good { border-color: #17643a; } .verdict.good b { color: #17643a; }
.verdict.bad { border-color: #a51d1d; } .verdict.bad b, td.bad, .wrong { color: #a51d1d; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: baseline; padding: .5mm 1.2mm; }
thead th { border-bottom: 1pt solid #111; white-space: nowrap; line-height: 1.2; }
tbody { border-bottom: .4pt solid #bbb; break-inside: avoid; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.what { padding-top: 0; padding-bottom: 1mm; line-height: 1.25; }
p { margin: 1.5mm 0; }
.about { margin: 0 0 2mm; display: grid; grid-template-columns: auto 1fr auto 1fr; gap: 0 3mm; }
.about dt { color: #555; white-space: nowrap; } .about dd { margin: 0; }
.signed { display: flex; gap: 12mm; margin-top: 3mm; break-inside: avoid; }
.signed span { flex: 1; border-bottom: .5pt solid #111; padding-bottom: 5mm; }
"""
# What went wrong can be much; the page tells the first, the command's output all.
_WRONG_SHOWN = 3


def report_page(outcome: Outcome, names: Mapping[str, Bilingual]) -> str:
    """Write the page. `names`: what each kind of fault is called."""
    rows = "".join(_row(one, names.get(one.kind, (one.kind, one.kind))) for one in outcome.results)
    return f"""<!doctype html>
<html lang="zh-CN">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>考站故障演练报告 {outcome.began_at:%Y-%m-%d}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>考站故障演练报告 <small lang="en">Exam station: report of a fault drill</small></h1>
{_verdict(outcome)}
{_about(outcome)}
<table>
<thead><tr>
<th>故障与做法<span class="en" lang="en">fault, what was done</span></th>
<th class="n">次数<span class="en" lang="en">rounds</span></th>
<th class="n">已确认保存<span class="en" lang="en">acknowledged</span></th>
<th class="n">丢失<span class="en" lang="en">lost</span></th>
<th class="n">断链<span class="en" lang="en">chains</span></th>
<th class="n">恢复最长<span class="en" lang="en">recovery</span></th>
</tr></thead>
{rows}
</table>
{_busy(outcome)}<p>“已确认保存”指考生机收到考站“已保存”答复的次数，逐条与演练后数据库中的记录核对；“恢复最长”指故障解除到下一次保存成功的最长时间。
演练在临时考站上进行，没有使用任何真实考试的数据。
<span class="en" lang="en">Every save that was acknowledged was looked up in the store afterwards.
Recovery runs from the end of the fault to the next acknowledged save, worst case.
A throw-away station was used, and no data of a real test.</span></p>
<div class="signed"><span>操作人 <small>held by</small></span><span>复核人 <small>checked by</small></span>
<span>日期 <small>date</small></span></div>
</body>
</html>
"""


def _verdict(outcome: Outcome) -> str:
    if outcome.is_good:
        mark, zh, en = "good", "通过：已确认的答案丢失 0", "Passed: no acknowledged answer was lost"
    elif outcome.acked_lost:
        mark, zh, en = "bad", f"未通过：丢失 {outcome.acked_lost}", f"Failed: {outcome.acked_lost} answers were lost"
    else:
        mark, zh, en = "bad", "未通过", "Failed"
    return (
        f'<div class="verdict {mark}"><b>{zh}</b>'
        f"<span>故障 {len(outcome.tried)} 种，{outcome.rounds} 次；已确认保存 {outcome.saves_acked:,} 次；"
        f"断链 {outcome.chain_broken}</span>"
        f'<span class="en" lang="en">{en}; {len(outcome.tried)} kinds of fault, {outcome.rounds} rounds, '
        f"{outcome.saves_acked:,} saves acknowledged, {outcome.chain_broken} chains broken</span></div>"
    )


def _busy(outcome: Outcome) -> str:
    if not outcome.is_machine_busy:
        return ""
    return (
        f'<p class="wrong">演练时本机另有繁忙的程序（每核 {outcome.load:.1f} 个），恢复时间仅供参考。'
        '<span class="en" lang="en">The machine was busy otherwise: recovery times were not judged.</span></p>'
    )


def _about(outcome: Outcome) -> str:
    machine, minutes = outcome.machine, outcome.seconds / 60
    in_memory = "" if machine.is_disk_real else "（在内存中，不能说明磁盘的情况 in memory: says nothing of the disk）"
    form = "完整 long" if outcome.is_long else "简短 short"
    facts = (
        ("时间", f"{outcome.began_at:%Y-%m-%d %H:%M %z}，{minutes:.1f} 分钟"),
        ("形式", form),
        ("服务器", machine.name),
        ("程序版本", f"exam-station {__version__}"),
        ("处理器", f"{machine.processor}，{machine.cores} 核，内存 {machine.memory_gib} GiB"),
        ("系统", machine.system),
        ("磁盘", f"{machine.disk}，{machine.file_system}，剩余 {machine.free_gib} GiB{in_memory}"),
        ("负载", f"每核最多 {outcome.load:.1f} 个程序"),
    )
    lines = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    return f'<dl class="about">{lines}</dl>'


def _row(result: FaultResult, name: Bilingual) -> str:
    title = f'<b>{escape(name[0])}</b> <small lang="en">{escape(name[1])}</small>'
    if result.not_run:
        return (
            f'<tbody><tr><td>{title}</td><td class="n" colspan="5">未做 not run</td></tr>'
            f'<tr><td class="what" colspan="6">{escape(result.not_run)}</td></tr></tbody>'
        )
    recovery = "—" if result.recovery_s is None else f"{result.recovery_s:.1f} 秒"
    figures = (
        (result.rounds, False),
        (f"{result.saves_acked:,}", False),
        (result.acked_lost, result.acked_lost > 0),
        (result.chain_broken, result.chain_broken > 0),
        (recovery, False),
    )
    cells = "".join(f'<td class="n{" bad" if is_bad else ""}">{value}</td>' for value, is_bad in figures)
    said = [(result.done_zh, result.done_en), *result.notes] if result.done_zh else result.notes
    zh, en = "".join(f"{_ended(one, '。')}" for one, _ in said), " ".join(_ended(one, ".") for _, one in said)
    more = len(result.wrong) - _WRONG_SHOWN
    wrong = "".join(f'<br><span class="wrong">✗ {escape(text)}</span>' for text in result.wrong[:_WRONG_SHOWN])
    wrong += f'<br><span class="wrong">…… 另有 {more} 项 and {more} more</span>' if more > 0 else ""
    return (
        f"<tbody><tr><td>{title}</td>{cells}</tr>"
        f'<tr><td class="what" colspan="6">{escape(zh)} <small lang="en">{escape(en)}</small>{wrong}</td></tr></tbody>'
    )


def _ended(text: str, stop: str) -> str:
    return text if text.endswith(stop) else text + stop
