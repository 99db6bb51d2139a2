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
        if section.get("goal"):
            show_pairs(section)
            continue
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


def show_pairs(section: dict) -> None:
    """A section that was measured in pairs: each ratio with its interval, beside the goal."""
    print(f"\n## {section['title']}; CPU of client, backend and Malla")
    print(f"Medians of pairs with intervals that hold the true one in 95 of 100 cases; goal {section['goal']}: "
          "≤ met, > not met, ? not known.")
    print(f"{'load':<36}{'subject':<18}{'µs':>9} {'per':<11}{'ratio':<24}{'ns more':<24}{'of sums':<8} "
          f"{'p50 µs':>8} {'ratio':<24}{'pairs':>5}")
    told = ""
    for row in section["rows"]:
        if not row["all"]:
            continue
        more, load = row["all"]["difference"], "" if told == row["load"] else row["load"]
        more = f"{more['median']:,.0f} ({more['low']:,.0f}–{more['high']:,.0f})"
        p50 = f"{row['p50']['after'] / 1e3:.1f}" if row["p50"] else ""
        print(f"{load:<36}{row['subject']:<18}{row['all']['after'] / 1e3:>9.2f} {row['unit']:<11}"
              f"{interval(row['all'], row['goal']):<24}{more:<24}{row['sums']:<8.3f} {p50:>8} "
              f"{interval(row['p50'], row['goal']):<24}{row['all']['pairs']:>5}")
        told = row["load"]


def interval(compared: dict, goal: float) -> str:
    """A ratio with its interval, and what that says about the goal."""
    if not compared:
        return ""
    ratio = compared["ratio"]
    verdict = "≤" if ratio["high"] <= goal else ">" if ratio["low"] > goal else "?"
    return f"{ratio['median']:.3f} ({ratio['low']:.3f}–{ratio['high']:.3f}) {verdict}"


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
