"""A run's files: trajectories as Parquet and CSV, fan charts as PNG, result.json. Each is written under a temporary name, then moved."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from simulate.runs import Trajectories


def _into(folder: Path, name: str, fill: Callable[[Path], None]) -> Path:
    """Write the file `name` through a temporary one, so that nothing half-written ever bears its name."""
    handle, temporary = tempfile.mkstemp(prefix=f".{name}.", suffix=Path(name).suffix, dir=folder)
    os.close(handle)
    try:
        fill(Path(temporary))
        os.replace(temporary, folder / name)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    os.chmod(folder / name, 0o644)
    return folder / name


def arrow_table(trajectories: Trajectories) -> Any:
    """Return the projected indicators as an Arrow table: one row a run and year; units are in the columns' metadata."""
    import pyarrow as pa

    years, runs = len(trajectories.years), trajectories.runs
    columns: list[Any] = [pa.array(np.repeat(np.arange(trajectories.first, trajectories.first + runs), years)),
                          pa.array(np.tile(trajectories.years.astype(np.int32), runs))]
    fields = [pa.field("run", pa.int64()), pa.field("year", pa.int32())]
    for id, output in trajectories.outputs.items():
        columns.append(pa.array(trajectories.indicator(id).T.reshape(-1)))
        fields.append(pa.field(id, pa.float64(), metadata={"unit": output.unit}))
    scenario = trajectories.setup.scenario
    metadata = {"scenario": scenario.id, "region": scenario.region, "seed": str(trajectories.seed)}
    return pa.Table.from_arrays(columns, schema=pa.schema(fields, metadata=metadata))


def write(trajectories: Trajectories, summary: dict[str, Any], folder: Path, lang: str = "zh") -> list[Path]:
    """Write a run's files into `folder` (made if missing), result.json last; return their paths."""
    import pyarrow.csv
    import pyarrow.parquet

    from simulate import plots

    folder.mkdir(parents=True, exist_ok=True)
    table = arrow_table(trajectories)
    files = [_into(folder, "trajectories.parquet", lambda path: pyarrow.parquet.write_table(table, path)),
             _into(folder, "trajectories.csv", lambda path: pyarrow.csv.write_csv(table, path))]
    if trajectories.headline and trajectories.finite.any():
        for id in trajectories.headline:
            files.append(plots.save(plots.fan_chart(trajectories, id, lang), folder / f"{id}.png"))
        files.append(plots.save(plots.headline_panel(trajectories, lang), folder / "headline.png"))
    if summary["targets"] and trajectories.finite.any():
        files.append(plots.save(plots.attainment_chart(trajectories, lang), folder / "attainment.png"))
    text = json.dumps(_finite(summary), ensure_ascii=False, indent=2) + "\n"
    files.append(_into(folder, "result.json", lambda path: _write_text(path, text)))
    return files


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _finite(x: Any) -> Any:
    if isinstance(x, float) and not math.isfinite(x):
        return None
    if isinstance(x, dict):
        return {str(k): _finite(v) for k, v in x.items()}
    return [_finite(v) for v in x] if isinstance(x, list | tuple) else x
