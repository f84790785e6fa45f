"""Print the table: ours, the peer's and the ratio."""

from benchmarks import generation, logprobs


def main() -> None:
    """Measure everything and print one line for each."""
    print(f"{'what':<34} {'unit':<16} {'ours':>10} {'peer':>10} {'ours/peer':>9}  peer")
    for row in [*generation.rows(), *logprobs.rows()]:
        print(f"{row.what:<34} {row.unit:<16} {row.ours:>10.2f} {row.peer:>10.2f} {row.ratio:>9.2f}  {row.peer_name}")


if __name__ == "__main__":
    main()
