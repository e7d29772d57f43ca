/*
 * How a reader proves, by one word in shared memory, that what it cached is still the head.
 *
 * Two realms, writers that take turns, and readers in other processes: some prove one realm by its slot, one proves
 * both by the word that announces every commit. A writer may die after each step, a commit may fail for
 * certain or without saying so, and what it left in the log may come to light as long as nothing was written over it.
 *
 * Claimed (G3): no proved read is older than what a writer was acknowledged or any reader was told before; and
 * (G1) no two writes are acknowledged at one generation.
 *
 * The name that a step prints is the function that it stands for. What is left out, and which rule each broken variant (an
 * #ifdef) leaves out: docs/decisions/0008-models.md.
 */

#ifndef WRITES
#define WRITES 2
#endif
#ifndef WRITERS
#define WRITERS 2
#endif
#ifndef DEATHS
#define DEATHS 1
#endif

#ifdef TOGETHER
#define REALMS 2
#else
#define REALMS 1
#endif
#define NOBODY 15
#define GENERATIONS (WRITES + 2)

/* The mapped words. */
byte slot[REALMS];
byte announced;
bool pending;                   /* odd */

/* The database. */
byte head[REALMS];
byte left_realm, left_in_log;   /* the generation that a dead writer's log frame would make the head; 0: none */
byte database_lock = NOBODY;

/* Who may write. */
byte turn = NOBODY;
byte writes_left = WRITES;
byte deaths_left = DEATHS;

byte told[REALMS];              /* what a writer was acknowledged, or a reader was told */
byte author[REALMS * GENERATIONS];

#define AT(realm, generation) author[realm * GENERATIONS + generation]
#define IS_ODD(mark) ((mark) & 1)

inline tell(realm, generation)
{
    if
    :: told[realm] < generation -> told[realm] = generation
    :: else
    fi
}

#define STEP(name, ...) \
    atomic { \
        printf(name); \
        __VA_ARGS__; \
        if \
        :: true \
        :: deaths_left > 0 -> printf("the writer dies\n"); deaths_left--; goto died \
        fi }

/*
 * The locks of a process go with its fork unless everything is closed before it and opened anew after it: the child's
 * calls find them held, by itself.
 */
#ifdef NO_FORK_CHECK
#define IS_MINE(lock) (lock != NOBODY)
#else
#define IS_MINE(lock) (false)
#endif

proctype Writer(byte me)
{
    byte realm, base;

again:
    if
    :: atomic { writes_left > 0 && (turn == NOBODY || IS_MINE(turn)) ->
        printf("turnqueue.TurnQueue.try_acquire\n");
        turn = me;
        writes_left--;
        if
        :: realm = 0
        :: REALMS > 1 -> realm = REALMS - 1
        fi }
    :: writes_left == 0 -> goto end
    fi;

    if
    :: pending ->
        /* Whatever a dead writer left in the log came to light before, or is written over now. */
#ifndef NO_FENCE
        STEP("session.Session.fence\n", left_in_log = 0; left_realm = 0);
#endif
        STEP("counters.Counters.fenced\n", announced++);
        STEP("counters.Counters.fenced\n", slot[0] = slot[0] + IS_ODD(slot[0]));
#ifdef TOGETHER
        STEP("counters.Counters.fenced\n", slot[1] = slot[1] + IS_ODD(slot[1]));
#endif
        STEP("counters.Counters.fenced\n", pending = false)
    :: !pending
    fi;

    /* The judgement. */
    STEP("turn.Turn.head\n", base = head[realm]);
#ifndef ONLY_AFTER_COMMIT
    STEP("counters.Counters.begin\n", pending = true);
#ifdef ANNOUNCED_FIRST
    STEP("counters.Counters.begin\n", announced++);
#endif
    STEP("counters.Counters.begin\n", slot[realm] = slot[realm] | 1);
#ifndef ANNOUNCED_FIRST
    STEP("counters.Counters.begin\n", announced++);
#endif
#endif
    atomic { (database_lock == NOBODY || IS_MINE(database_lock)) -> database_lock = me }
    if
    :: STEP("database.insert\n", left_in_log = base + 1; left_realm = realm)
    :: atomic {
        printf("nothing was changed, for certain\n");
        database_lock = NOBODY;
        goto refused }
    fi;
    if
    :: STEP("turn.Turn._write\n",
        head[realm] = base + 1; left_in_log = 0; left_realm = 0; database_lock = NOBODY)
    :: atomic {
        printf("nobody knows whether it was committed\n");
        database_lock = NOBODY;
        goto unknown }
    fi;
#ifdef ONLY_AFTER_COMMIT
    STEP("counters.Counters.begin\n", announced++);
#endif
    STEP("counters.Counters.done\n", slot[realm] = slot[realm] + (IS_ODD(slot[realm]) -> 1 : 2));
    STEP("counters.Counters.done\n", pending = false);
    STEP("turnqueue.TurnQueue.release\n", turn = NOBODY);
    atomic {
        printf("turn.Turn.append\n");
        assert(AT(realm, base + 1) == 0);      /* nobody else was acknowledged there */
        AT(realm, base + 1) = me + 1;
        tell(realm, base + 1);
        base = 0; realm = 0;
        goto again }

refused:
#ifndef ONLY_AFTER_COMMIT
    STEP("counters.Counters.refused\n", slot[realm]++);
#endif
    STEP("counters.Counters.refused\n", pending = false);

unknown:
    atomic { turn = NOBODY; base = 0; realm = 0; goto again }

died:
    atomic {
        if
        :: turn == me -> turn = NOBODY
        :: else
        fi;
        if
        :: database_lock == me -> database_lock = NOBODY
        :: else
        fi;
        base = 0; realm = 0;
        goto again }

end:
    skip
}

/* Whoever finds the log's index unfinished, or opens the database when nobody has it open, takes in what is in the log. */
proctype Recovery()
{
end:
    do
    :: atomic { left_in_log > 0 && database_lock == NOBODY ->
        printf("what a dead writer left comes to light\n");
        head[left_realm] = left_in_log; left_in_log = 0; left_realm = 0 }
    od
}

/* Readers that prove nothing: each is told what the database says. */
proctype Onlooker()
{
end:
    do
    :: atomic { told[0] < head[0] -> printf("session.Session.select_head\n"); told[0] = head[0] }
#ifdef TOGETHER
    :: atomic { told[1] < head[1] -> printf("session.Session.select_head\n"); told[1] = head[1] }
#endif
    od
}

#define READ(realm, mark, generation) \
    atomic { printf("session.Session.read_head\n"); mark = slot[realm] } \
    atomic { printf("session.Session.select_head\n"); generation = head[realm]; tell(realm, generation) }

#ifdef KEPT_UNDER_ODD
#define CAN_BE_KEPT(mark) true
#else
#define CAN_BE_KEPT(mark) (!IS_ODD(mark))
#endif

#ifndef TOGETHER
proctype Reader()
{
    byte mark, generation;

again:
    READ(0, mark, generation);
    if
    :: atomic { !CAN_BE_KEPT(mark) -> mark = 0; generation = 0; goto again }
    :: CAN_BE_KEPT(mark)
    fi;
end:
    do
    :: atomic { slot[0] == mark && generation < told[0] ->
        printf("proofs.Proofs.proved\n");
        assert(false) }                             /* a proved read that is old */
    :: atomic { slot[0] != mark -> mark = 0; generation = 0; goto again }
    od
}

#else
/* Depends on both realms, and compares one word. */
proctype Together()
{
    byte mark0, mark1, generation0, generation1, mark;

again:
    READ(0, mark0, generation0);
    if
    :: CAN_BE_KEPT(mark0)
    :: !CAN_BE_KEPT(mark0) -> goto forget
    fi;
    READ(1, mark1, generation1);
    if
    :: CAN_BE_KEPT(mark1)
    :: !CAN_BE_KEPT(mark1) -> goto forget
    fi;
#ifndef SLOTS_FIRST
    atomic { printf("proofs.Proofs.of\n"); mark = announced }
#endif
    if
    :: slot[0] == mark0
    :: slot[0] != mark0 -> goto forget
    fi;
    if
    :: slot[1] == mark1
    :: slot[1] != mark1 -> goto forget
    fi;
#ifdef SLOTS_FIRST
    atomic { printf("proofs.Proofs.of\n"); mark = announced }
#endif
    mark0 = 0; mark1 = 0;
end:
    do
    :: atomic { announced == mark && (generation0 < told[0] || generation1 < told[1]) -> assert(false) }
    :: announced != mark -> goto forget
    od;
forget:
    atomic { mark = 0; mark0 = 0; mark1 = 0; generation0 = 0; generation1 = 0; goto again }
}
#endif

init
{
    byte i;
    atomic {
        for (i : 0 .. WRITERS - 1) { run Writer(i) }
        run Recovery();
        run Onlooker();
#ifdef TOGETHER
        run Together()
#else
        run Reader()
#endif
    }
}
