"""
Measurements: realmconf side by side with what the machine can do and with its peers.

    make bench                                       the whole run, about a quarter of an hour
    python -m bench --quick                          smaller batches, to see that it runs
    python -m bench --only M4,M7 --rounds 9          some of it
    python -m bench --json FILE                      the figures for a program, those there are so far
    python -m bench --strict                         a server that is missing is a failure
    python -m bench render FILE docs/performance.md  the table of the page, from such a file
    python -m bench syscalls                         system calls and fsyncs of each operation

Every figure is a ratio to a reference that ran in turn with it, a few
milliseconds apart: a shared machine changes its speed within seconds, and a
microsecond of today says nothing about tomorrow's.
"""
