"""Import plan, roster, photos and papers: send a file, see what would come in or what is wrong, confirm."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, g, render_template, request
from sqlalchemy import select
from sqlalchemy.orm import Session

from invigilator_console.guards import staff_only
from invigilator_console.import_desk import ImportDesk, ImportJob
from invigilator_console.pages import page_frame
from station.errors import Invalid, Missing, problem
from station.importers.templates import paper_template, roster_template
from station.services.staging import KINDS, Options
from station.store import queries
from station.store.models import Plan, Staff, Subject
from station.web.edge import Edge
from station.web.guards import FIELD_WRONG, NO_SUCH_PAGE, json_response, say

LARGEST_FILE = 1024 * 1024 * 1024
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_TEMPLATES = {"roster": roster_template, "paper": paper_template}
START_WRONG = problem(
    "start_wrong",
    "计划开考时间“{text}”不是有效的日期时间。",
    "The planned start {text} is not a date and time.",
)


def register(routes: Blueprint, edge: Edge) -> None:
    """Add the routes of this module."""
    desk = ImportDesk(edge.store, edge.clock.now, edge.disk.disk)
    _register_page(routes, edge)

    @routes.post("/api/imports")
    @staff_only(edge, "import_material", sends=True)
    def take(db: Session, person: Staff, at: datetime) -> Response:
        edge.disk.check_takes_file(request.content_length)
        request.max_content_length = LARGEST_FILE
        kind, name = request.args.get("kind", ""), request.args.get("name", "")
        if kind not in KINDS or not 0 < len(name) <= 255:
            raise Invalid(FIELD_WRONG, field="kind")
        job = desk.take(kind, name, request.stream, _options(edge))  # type: ignore[arg-type]
        return json_response(job_document(job))

    @routes.get("/api/imports/<job_id>")
    @staff_only(edge, "import_material")
    def job(db: Session, person: Staff, at: datetime, job_id: str) -> Response:
        return json_response(job_document(desk.job(job_id)))

    @routes.post("/api/imports/<job_id>/confirm")
    @staff_only(edge, "import_material", writes=True)
    def confirm(db: Session, person: Staff, at: datetime, job_id: str) -> Response:
        return json_response(job_document(desk.confirm(db, job_id, by=person.id, at=at)))


def job_document(job: ImportJob) -> dict[str, Any]:
    """Describe an import: how far, what would come in or has come in, what is wrong and where."""
    language = g.get("language", "zh")
    return {
        "id": job.id,
        "kind": job.kind,
        "name": job.name,
        "state": job.state,
        "done": job.done,
        "total": job.total,
        "lines": [say(*line) for line in job.lines],
        "summaries": [
            {"title": one.title, "count": one.count, "notes": [say(*note) for note in one.notes]}
            for one in job.summaries
        ],
        "error": (
            None if job.refusal is None else {"code": job.refusal.code, "sentence": job.refusal.sentence(language)}
        ),
        "disk": None if job.disk is None else {"text": say(*job.disk[:2]), "space": job.disk[2]},
        "rejections": [
            {"sheet": one.sheet, "row": one.row, "column": one.column, "code": one.code, "text": say(one.zh, one.en)}
            for one in job.rejections
        ],
    }


def _register_page(routes: Blueprint, edge: Edge) -> None:
    @routes.get("/imports")
    @staff_only(edge, "import_material")
    def page(db: Session, person: Staff, at: datetime) -> str:
        real = select(Subject).join(Plan, Plan.id == Subject.plan_id).where(Plan.is_practice.is_(False))
        subjects = db.scalars(real.order_by(Subject.certificate_name, Subject.level, Subject.id)).all()
        return render_template("imports.html", subjects=subjects, plans=queries.list_plans(db), **page_frame(edge))

    @routes.get("/templates/<kind>.xlsx")
    @staff_only(edge, "import_material")
    def template(db: Session, person: Staff, at: datetime, kind: str) -> Response:
        if kind not in _TEMPLATES:
            raise Missing(NO_SUCH_PAGE)
        answer = Response(_TEMPLATES[kind](), mimetype=XLSX)
        answer.headers["Content-Disposition"] = f'attachment; filename="{kind}.xlsx"'
        return answer


def _options(edge: Edge) -> Options:
    given = request.args
    certificate, _, rest = given.get("subject", "").partition("|")
    level, _, subject = rest.partition("|")
    return Options(
        zone=edge.zone,
        certificate=certificate,
        level=level,
        subject=subject,
        code=given.get("code", "")[:64],
        is_backup=given.get("is_backup") == "yes",
        room_name=given.get("room", "")[:100],
        planned_start_at=_start(given.get("start", ""), edge),
        assign_seats=given.get("assign_seats") == "yes",
        spares=given.get("spares", "")[:500],
    )


def _start(text: str, edge: Edge) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=edge.zone)
    except ValueError:
        raise Invalid(START_WRONG, text=text[:40]) from None
