/*
 * How a commit finds the thread that renders it, awake or asleep, without a lock on the writer's way.
 *
 * Writers commit and note it. One thread per process waits for notes, lets a burst pass, and renders the head; a
 * rendering may be put off for a while. Another thread may flush at any time, or close: stop the thread and flush.
 *
 * Claimed (G8): at the end of quiet the file is the rendering of the head; so it is when `close` returns.
 *
 * The name that a step prints is the function that it stands for. What is left out, and which rule each broken variant (an
 * #ifdef) leaves out: docs/decisions/0008-models.md.
 */

#ifndef WRITERS
#define WRITERS 2
#endif
#ifndef COMMITS
#define COMMITS 2
#endif
#ifndef DELAYS
#define DELAYS 1
#endif

byte head, rendered;
byte delays_left = DELAYS;      /* how often a rendering is put off: an editor is at the file, or the turn did not come */
byte writers_done;

bool noted;                     /* the realm is among those to be rendered */
bool due;                       /* the realm is to be tried again later */
bool sleeping;
bool wake;                      /* the event that the thread waits for */
bool working;                   /* the lock around taking and rendering */
bool alive, ended, stopped;
bool flushed;

proctype Writer()
{
    byte commits;

    do
    :: commits < COMMITS ->
        atomic { printf("turn.Turn.append\n"); head++; commits++ }
        atomic { printf("publisher.Publisher.note\n"); noted = true }
        if
        :: sleeping ->
            sleeping = false;
            wake = true
        :: !sleeping
            /* publisher.Publisher._start */
            alive = true
        fi
    :: commits == COMMITS -> break
    od;
    writers_done++
}

inline render()
{
    if
    :: atomic { printf("workrender.Renderer.now\n"); rendered = head }
    :: atomic { delays_left > 0 -> printf("put off\n"); delays_left--; due = true }
    fi
}

proctype Thread()
{
    bool taken, timed;

end_not_begun:
    alive;
asleep:
    do
    :: stopped -> goto out
    :: !stopped ->
        atomic { printf("publisher.Publisher._sleep\n"); wake = false }
#ifdef LOOK_BEFORE_SLEEPING
        if
        :: noted || due -> break
        :: !noted && !due
        fi;
        sleeping = true;
#else
        sleeping = true;
#ifdef STOP_UNSEEN
        if
        :: noted -> sleeping = false; break
        :: due -> sleeping = false; break       /* its time may have come already */
        :: !noted
        fi;
#else
        if
        :: noted || stopped -> sleeping = false; break
        :: due -> sleeping = false; break       /* its time may have come already */
        :: !noted && !stopped
        fi;
#endif
#endif
        timed = due;
end_asleep:
        if
        :: wake
        :: timed
        fi
    od;
    /* The clock is not modelled: a burst may pass before or after the next note. */
    atomic { printf("publisher.Publisher._let_the_burst_pass\n"); wake = false }
    if
    :: stopped -> goto out
    :: !stopped
    fi;
    atomic { printf("publisher.Publisher._run\n"); !working -> working = true }
    atomic { printf("publisher.Publisher._take\n"); taken = (noted || due); due = false; noted = false }
    if
    :: taken && stopped ->
#ifndef FORGET_AT_STOP
        noted = true
#else
        skip
#endif
    :: taken && !stopped -> render()
    :: !taken
    fi;
    taken = false;
    working = false;
    goto asleep;
out:
    ended = true
}

inline flush()
{
    atomic { printf("publisher.Publisher.flush\n"); !working -> working = true }
    atomic { taken = (noted || due); due = false; noted = false }
    if
    :: taken -> render()
    :: !taken
    fi;
    taken = false;
    working = false;
#ifndef NO_WAKE_AFTER_FLUSH
    wake = true
#endif
}

proctype Other()
{
    bool taken;

#ifdef CLOSE
    writers_done == WRITERS;
    atomic { printf("publisher.Publisher.stop\n"); stopped = true }
    wake = true;
    (ended || !alive);
#endif
    flush();
    flushed = true
}

/* When nothing can happen any more. */
proctype Rest()
{
    atomic {
        timeout;
        assert(writers_done == WRITERS);
#ifdef CLOSE
        assert(flushed);
        /* What is put off at the very end is left to whoever looks next. */
        assert(rendered == head || due)
#else
        assert(rendered == head && !due)
#endif
#ifdef REACH
        assert(false)
#endif
    }
}

init
{
    byte i;
    atomic {
        for (i : 1 .. WRITERS) { run Writer() }
        run Thread();
        run Other();
        run Rest()
    }
}
