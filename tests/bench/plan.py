"""What is to be measured, as a list of tasks, and the carrying out of it: with an estimate of the time, and every result kept at once."""
import dataclasses
import time
import typing

import measure


@dataclasses.dataclass
class Task:
    """One row of a table under one heap or several; several are measured in turn, so that what disturbs the machine disturbs all.

    do(heaps) gives {heap: {quantity: Figure}}; for a heap that failed, an Exception instead of the figures. seconds(heap): a guess."""
    section: str
    what: str
    heaps: list
    seconds: typing.Callable
    do: typing.Callable
    note: str = ""              # kept with the figures: "reduced" when the input was smaller than that of the other heaps

    def estimate(self):
        return sum(self.seconds(heap) for heap in self.heaps)


def without_those_there(tasks, store):
    """The tasks less the heaps of which the store has the figures already."""
    rest = [dataclasses.replace(t, heaps=[h for h in t.heaps if not store.has(t.section, t.what, h)]) for t in tasks]
    return [t for t in rest if t.heaps]


def minutes(seconds):
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} seconds"


def attempt(task, heaps):
    try:
        return task.do(heaps)
    except (measure.Failed, OSError, ValueError, KeyError) as why:
        return {heap: why for heap in heaps}


def carry_out(tasks, store, say, after):
    """Does one task after the other. after(): called when figures have come in; it draws them, and may pass over a call that comes early."""
    planned = sum(t.estimate() for t in tasks)
    say(f"{len(tasks)} measurements, about {minutes(planned)}")
    begun, done = time.monotonic(), 0.0
    for number, task in enumerate(tasks, 1):
        # The guesses were made on one machine; how this one compares with it is learnt while running.
        pace = (time.monotonic() - begun + 30) / (done + 30)
        say(f"[{number}/{len(tasks)}, {minutes((planned - done) * pace)} left] {task.section}: {task.what}"
            + (f", {task.heaps[0]}" if len(task.heaps) == 1 else ""))
        done += task.estimate()
        results = attempt(task, task.heaps)
        # A peer has a second try, for what went wrong may have been ours, a server that came late, say. midden has none.
        again = [heap for heap, figures in results.items() if isinstance(figures, Exception) and "not done" not in str(figures) and not heap.startswith("midden")]
        if again:
            say(f"  again: {', '.join(again)}")
            results.update(attempt(task, again))
        for heap, figures in results.items():
            if isinstance(figures, Exception):
                say(f"  {heap}: {figures}")
                store.fail(task.section, task.what, heap, " ".join(str(figures).split())[:200] or repr(figures))
            else:
                store.add(task.section, task.what, heap, figures, task.note)
        after()
