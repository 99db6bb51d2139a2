# SPDX-License-Identifier: Apache-2.0
"""The figures as one table to read and one file to keep."""
import json
import pathlib
import statistics


def write(figures: dict, path: pathlib.Path) -> None:
    """All samples, ratios and circumstances as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=1) + "\n")


def show(figures: dict) -> None:
    """Prints the table: CPU per unit and ratio are what counts, rate and latency stand beside."""
    about = figures["environment"]
    versions = "; ".join(f"{name}: {text}" for name, text in about["versions"].items())
    print(f"\n{about['cpu']} × {about['cpus']}, Linux {about['kernel']}, load "
          f"{about['load_average_before'][0]:.1f} → {about['load_average_after'][0]:.1f}")
    print(versions)
    print("CPU in µs per unit and ratios: median of rounds; ratios pairwise inside a round, with (least–most).")
    for section in figures["sections"]:
        whose = {"relay": "CPU of the relay", "all": "CPU of client, backend and Malla", "p50": "median time",
                 "p99": "the 99th percentile"}
        print(f"\n## {section['title']}; {whose[section['judged']]}")
        print(f"{'load':<30}{'subject':<18}{'µs':>9} {'per':<11}{'ratio':<20}{'all µs':>8}"
              f"{'rate/s':>10}{'p50 µs':>9}{'p99 µs':>9}")
        for row in section["rows"]:
            for index, (subject, samples) in enumerate(row["samples"].items()):
                if samples:
                    print(line(row, section["judged"], subject, samples, first=index == 0))
        for fault in section["faults"]:
            print("peer at fault:", fault)


def line(row: dict, judged: str, subject: str, samples: list[dict], first: bool) -> str:
    """One subject under one load."""
    def median(of) -> float:
        return statistics.median(of(sample) for sample in samples)
    ratio = row["ratios"].get(subject)
    told = f"{ratio['median']:.2f} ({ratio['least']:.2f}–{ratio['most']:.2f})" if ratio else "1"
    rate = median(lambda s: s["units"] * 1e9 / s["wall_ns"])
    # Of a bulk load the latency would be that of the whole.
    p50, p99 = ("", "") if row["unit"] == "MB" else (
        f"{median(lambda s: s[key]) / 1e3:.1f}" for key in ("p50_ns", "p99_ns"))
    return (f"{row['load'] if first else '':<30}{subject:<18}{median(lambda s: s[judged + '_us']):>9.2f} "
            f"{row['unit']:<11}{told:<20}{median(lambda s: s['all_us']):>8.2f}{rate:>10,.0f}"
            f"{p50:>9}{p99:>9}")
