"""Commands on what the plans say: targets, explain, measures, new-plan."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulate.cli import Data, Json, Lang, app, emit, guarded, language, printed, registry_with, sense, table
from simulate.errors import InvalidInput, Problem, nearest

if TYPE_CHECKING:
    from simulate.targets import Statement

def shown_value(s: Statement) -> str:
    """Show a statement's value with its sense and unit as printed."""
    if s.value is None:
        return "delegated"
    return f"{sense(s.sense)}{printed(float(s.value))} {s.unit}" + (f" × {s.relative_to}" if s.relative_to else "")


@app.command()
@guarded
def targets(
    region: Annotated[str | None, typer.Option(help="Only this region.")] = None,
    indicator: Annotated[str | None, typer.Option(help="Only this indicator.")] = None,
    year: Annotated[int | None, typer.Option(help="Only this year (or periods that end in it).")] = None,
    role: Annotated[str | None, typer.Option(help="Only baseline, target, achieved, context or vision.")] = None,
    document: Annotated[str | None, typer.Option(help="Only this document.")] = None,
    scope: Annotated[str | None, typer.Option(help="Only this place that is not a region.")] = None,
    conflicts: Annotated[bool, typer.Option("--conflicts", help="Only statements that contradict another, and which is used.")] = False,
    form: Annotated[str, typer.Option("--format", help="table, csv or json.")] = "table",
    data: Data = None, as_json: Json = False, lang: Lang = None,
) -> None:
    """List what the documents state: every number, with where it stands."""
    lang = language(lang)
    registry = registry_with(data)
    for name, value, known in (
            ("region", region, registry.regions), ("indicator", indicator, registry.catalogue), ("document", document, registry.documents),
            ("scope", scope, registry.scopes), ("role", role, ("baseline", "target", "achieved", "context", "vision")),
            ("format", form, ("table", "csv", "json"))):
        if value is not None and value not in known:
            raise InvalidInput(Problem(f"--{name}: {value!r} is not known.", nearest(value, known, "Known")))
    found = list(registry.find(region=region, scope=scope, indicator=indicator, year=year, roles=(role,) if role else (),
                               document=document))
    if conflicts:
        concerned = registry.superseded | {s.id for s in registry.statements if s.prefers}
        found = sorted((s for s in found if s.id in concerned), key=lambda s: (s.indicator, s.place, s.id in registry.superseded))
    rows = [registry.row(s) | {"why": s.prefers.why if s.prefers else None} for s in found]
    if as_json or form == "json":
        emit(rows)
    elif form == "csv":
        import csv
        import sys

        writer = csv.DictWriter(sys.stdout, fieldnames=[*registry.row(registry.statements[0]), "why"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        last = "used" if conflicts else "role"
        table("", ["indicator", "place", "when", "value", last, "where"],
              [[registry.catalogue[s.indicator].label(lang), s.place, s.when, shown_value(s),
                (s.prefers.why if s.prefers else "not used") if conflicts else s.role,
                f"{s.document}: {s.at}"] for s in found], right=(3,), notes=[f"{len(found)}"])


@app.command()
@guarded
def explain(
    indicator: Annotated[str, typer.Argument(help="Indicator by id.")],
    data: Data = None, as_json: Json = False, lang: Lang = None,
) -> None:
    """Explain an indicator: definition, every statement and recorded value, their sources, and conflicts."""
    from simulate import units

    lang = language(lang)
    registry = registry_with(data)
    i = registry.catalogue.find(indicator)
    found = list(registry.find(indicator=indicator))
    recorded = [o for o in registry.outturns if o.indicator == indicator]
    assumed = [a for a in registry.assumptions if a.indicator == indicator]
    if as_json:
        emit({"indicator": {"id": i.id, "zh": i.zh, "en": i.en, "unit": i.unit, "kind": i.kind, "share_of": i.share_of,
                            "higher_is_better": i.higher_is_better, "definition": i.definition},
              "statements": [registry.row(s) | {"preferred_over": list(s.prefers.over) if s.prefers else [],
                                                "why": s.prefers.why if s.prefers else None} for s in found],
              "recorded": [dataclasses.asdict(o) for o in recorded],
              "assumed": [{"region": a.region, "value": str(a.range or a.value), "unit": a.unit, "grade": a.grade, "basis": a.basis}
                          for a in assumed]})
        return
    print(f"{i.id}: {i.zh} · {i.en}")  # noqa: T201
    better = {True: "higher is better", False: "lower is better", None: "neither direction is better"}[i.higher_is_better]
    print(f"{i.kind} in {i.unit} ({units.label(i.unit, 'en')}); {better}" + (f"; share of {i.share_of}" if i.share_of else ""))  # noqa: T201
    if i.definition:
        print(i.definition)  # noqa: T201
    for place in dict.fromkeys(s.place for s in found):
        name = registry.regions.get(place) or registry.scopes[place]
        table(name.zh if lang == "zh" else name.en, ["when", "value", "role", "where", "note"],
              [[s.when, shown_value(s), s.role + ("" if s.id not in registry.superseded else " (not used)"), f"{s.document}: {s.at}",
                " ".join(x for x in (f"Preferred: {s.prefers.why}" if s.prefers else "", s.note or "") if x)]
               for s in sorted((s for s in found if s.place == place), key=lambda s: s.last_year)], right=(1,))
    if recorded:
        table("recorded values", ["place", "when", "value", "grade", "vintage", "source"],
              [[o.region or o.scope, f"{o.year}{f' months {o.months[0]}-{o.months[1]}' if o.months else ''}",
                f"{sense(o.sense)}{printed(o.value)} {o.unit}", o.grade, o.vintage, o.source] for o in recorded], right=(2,),
              notes=["Grades: A official or direct report, B mirror or third-party data, C weak. Never mixed with plan statements."])
    if assumed:
        table("assumed where no document states it", ["region", "value", "grade", "basis"],
              [[a.region, f"{a.range or a.value} {a.unit}", a.grade, a.basis] for a in assumed])


@app.command()
@guarded
def measures(
    lever: Annotated[str | None, typer.Option(help="Only measures that work through this lever.")] = None,
    data: Data = None, as_json: Json = False, lang: Lang = None,
) -> None:
    """List policy measures with the departments that answer for them and the levers they work through."""
    lang = language(lang)
    registry = registry_with(data)
    if lever is not None and lever not in registry.levers:
        raise InvalidInput(Problem(f"--lever: there is no lever {lever!r}.", nearest(lever, registry.levers, "Levers")))
    found = [("measure", m) for m in registry.measures] + [("safeguard", m) for m in registry.safeguards]
    chosen = [(kind, m) for kind, m in found if lever is None or lever in m.levers]
    if as_json:
        emit([{"kind": kind, "number": m.number, "title": m.title, "zh": m.zh, "section": m.section, "departments": list(m.departments),
               "levers": list(m.levers)} for kind, m in chosen])
        return
    table("", ["no.", "measure", "levers", "departments"],
          [[m.number if kind == "measure" else f"S{m.number}", m.zh if lang == "zh" else m.title, ", ".join(m.levers),
            ("、" if lang == "zh" else ", ").join(registry.departments[d].label(lang) for d in m.departments)] for kind, m in chosen],
          right=(0,), notes=[f"{len(chosen)}"])


@app.command("new-plan")
@guarded
def new_plan(
    file: Annotated[Path, typer.Argument(help="File to write; must not exist yet.")],
) -> None:
    """Write a commented template for a plan of your own: fill it in, then use it with --data."""
    if file.exists():
        raise InvalidInput(Problem(f"{file} exists already.", "Choose another name; nothing was overwritten."))
    if not file.parent.is_dir():
        raise InvalidInput(Problem(f"{file.parent} is not a folder.", "Make it first, or choose another place."))
    text = Path(__file__).with_name("new-plan.yaml").read_text(encoding="utf-8")
    temporary = file.with_name(f".{file.name}.part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(file)
    print(f"written: {file}\nnext: fill it in, then `simulate check REGION --data {file}`")  # noqa: T201
