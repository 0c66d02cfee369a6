"""What is wrong with a definitions file, all of it at once, for people."""

from dataclasses import dataclass

SHOWN = 200


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where it is, what it is, what to write instead."""

    source: str
    line: int
    path: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        place = f"{self.source}:{self.line}: {self.path}: " if self.path else f"{self.source}:{self.line}: "
        return place + self.message + (f" ({self.hint})" if self.hint else "")


class DefinitionErrors(ValueError):
    """A definitions file that must not start a job; `problems` holds every mistake found, the text the first 200."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems, key=lambda problem: (problem.source, problem.line))
        more = len(self.problems) - SHOWN
        lines = [str(problem) for problem in self.problems[:SHOWN]]
        super().__init__("\n".join(lines + ([f"and {more:,} more mistakes"] if more > 0 else [])))
