"""Real programs under every heap: processor time, wall time and peak memory beside plain glibc's."""
import load
import measure
import peers
import real


def once(work, peer):
    argv, env = work.argv, {**peers.environment(), **work.env}
    if peer:
        argv, env = peer.wrap(argv, env)
    driver = None
    if work.name == "redis":
        driver = load.against(work.argv[work.argv.index("--unixsocket") + 1], work.env["REQUESTS"], peers.environment())
    try:
        return measure.run(argv, env, cwd=work.cwd, stdin=work.stdin)
    finally:
        if driver:
            driver.join()


def rows(place, heaps, ours_alone, rounds, quick, wanted, say):
    """{program: {heap: {"cpu": Figure, "wall": Figure, "peak": Figure, "plain": seconds}}}, all but the last as ratios to the
    plain run of the same pair. ours_alone: {name: wrap} of our profiles without the command around the program, for the peak."""
    table = {}
    for work in real.prepare(place, quick):
        if not wanted(work.name):
            continue
        table[work.name] = {}
        for peer in heaps:
            say(f"{work.name}, {peer.name}")
            try:
                base, under = measure.pairs(lambda: once(work, None), lambda: once(work, peer), max(1, rounds // peer.slow))
                memory = under, base
                if peer.name in ours_alone:
                    alone = peers.Peer(peer.name, "", ours_alone[peer.name])
                    memory = [once(work, alone)], base[:1]
            except measure.Failed as why:
                say(f"  {why}")
                continue
            table[work.name][peer.name] = {
                "cpu": measure.ratio(under, base, "cpu"), "wall": measure.ratio(under, base, "wall"),
                "peak": measure.ratio(*memory, "peak"), "plain": measure.Figure.of(s.cpu for s in base).median}
    return table
