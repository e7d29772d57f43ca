/*
 * How a hand-edited config.toml and the record agree: the file protocol of the embedded store.
 *
 * One realm. A store writes generations, takes edits in and renders the head; editors save by
 * renaming, in place, or in place in two writes, through a descriptor that they have had open for as long as
 * they like. The store's process may die after each step, and the power may fail before each step.
 *
 * Claimed (G8): no edit is lost, none is taken in twice, nothing of ours is ever taken for an edit, no half of
 * anything is taken for a whole, and at the end of quiet the file is the rendering of the head.
 *
 * A comment "step: module.function" names what a step stands for. What is left out, and which rule each
 * broken variant (an #ifdef) leaves out: docs/decisions/0008-models.md.
 */

#ifndef WRITES
#define WRITES 1
#endif
#ifndef EDITS
#define EDITS 1
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef CUTS
#define CUTS 0
#endif

#define GENERATIONS (2 + WRITES + EDITS)
#define INODES (3 + 2 * EDITS)
#define NONE 31

/* What an inode holds. A generation's number stands for its rendering. */
#define NOTHING 0
#define EDIT(editor) (16 + editor)
#define PART(editor) (24 + editor)
#define HALF 30
#define IS_RENDERING(content) (content >= 1 && content < GENERATIONS)
#define IS_EDIT(content) (content >= EDIT(0) && content < PART(0))
#define EDITOR_OF(content) (content - EDIT(0))

/* Where an inode's name is. The spare and what was set aside stand on the shelf. */
#define NOWHERE 0
#define FILE 1
#define SPARE 2
#define ASIDE 3
#define KEPT 4

/* What the record knows of a generation's rendering. */
#define UNKNOWN 0
#define OURS 1
#define REPLACED 2
#define TAKEN_IN 3

byte text[INODES];
byte place[INODES];
byte disk[INODES];               /* the names as a power cut would leave them */
bool unsynced[INODES];           /* its content is not on the disk yet */
byte open_by[INODES];            /* how many editors have it open for writing */
bool dropped[INODES];            /* an editor took its name away */

byte head = 1;
byte ours[GENERATIONS];
byte taken[EDITS];               /* the generation that an edit became, while its text counts as ours */
bool doubtful;                   /* the spare may hold somebody's edit */
bool beside;                     /* something else may stand beside the file */

bool overlaps[EDITS];            /* at odds with newer changes: only a person can settle it */
bool in_history[EDITS];
bool saved[EDITS];
bool overwritten[EDITS];         /* by another editor */

byte writes_left = WRITES;
byte deaths_left = DEATHS;
byte cuts_left = CUTS;
byte saving;                     /* editors between their first step and their last */
byte editors_done;
bool noted = true;               /* a look is due: that none is forgotten is what publisher.pml is about */

byte i, j;                       /* of loops that are one step; 0 otherwise */

/* --- names --------------------------------------------------------------------------------------- */

#define FIND(condition, found) \
    found = NONE; \
    i = 0; \
    do \
    :: i < INODES && (condition) -> found = i; break \
    :: i < INODES && !(condition) -> i++ \
    :: i == INODES -> break \
    od; \
    i = 0

inline find(where, found)
{
    d_step { FIND(place[i] == where, found) }
}

#define IS_FREE(inode) (place[inode] == NOWHERE && disk[inode] == NOWHERE && open_by[inode] == 0)

inline new_inode(where)
{
    d_step {
        i = 0;
        do
        :: i < INODES && !IS_FREE(i) -> i++
        :: i < INODES && IS_FREE(i) -> break
        :: i == INODES -> assert(false)     /* the model has too few */
        od;
        place[i] = where;
        j = i;
        i = 0
    }
}

/* What has no name and is open nowhere is gone. */
inline forget_nameless()
{
    i = 0;
    do
    :: i < INODES && IS_FREE(i) -> text[i] = NOTHING; unsynced[i] = false; dropped[i] = false; i++
    :: i < INODES && !IS_FREE(i) -> i++
    :: i == INODES -> break
    od;
    i = 0
}

inline sync_names()
{
    d_step {
        i = 0;
        do
        :: i < INODES -> disk[i] = place[i]; i++
        :: i == INODES -> break
        od;
        forget_nameless()
    }
}

/* A file system makes changes of names durable in their order, and when it likes. */
inline names_changed()
{
    if
    :: sync_names()
    :: CUTS > 0 -> printf("    (not on the disk yet)\n")
    fi
}

inline power_fails()
{
    d_step {
        printf("the power fails\n");
        cuts_left--;
        i = 0;
        do
        :: i < INODES ->
            place[i] = disk[i];
            if
            :: unsynced[i] -> text[i] = HALF; unsynced[i] = false
            :: else
            fi;
            i++
        :: i == INODES -> break
        od;
        forget_nameless()
    }
}

/* One step of the store. A save that the power cuts in half is a half that nobody can tell from a whole. */
#define STEP(name, ...) \
    if \
    :: atomic { \
        printf(name); \
        __VA_ARGS__; \
        if \
        :: true \
        :: deaths_left > 0 -> printf("the process dies\n"); deaths_left--; goto died \
        fi } \
    :: atomic { cuts_left > 0 && saving == 0 -> power_fails(); goto died } \
    fi

/* --- the record ---------------------------------------------------------------------------------- */

#define IS_KNOWN(content) \
    ((IS_RENDERING(content) && ours[content] != UNKNOWN) || (IS_EDIT(content) && taken[EDITOR_OF(content)] != 0))
#define IS_CLEAN(content) (content == head && (ours[content] == OURS || ours[content] == REPLACED))
#define IS_UNFINISHED(content) \
    ((IS_RENDERING(content) && (ours[content] == OURS || ours[content] == TAKEN_IN)) \
    || (IS_EDIT(content) && taken[EDITOR_OF(content)] != 0))

/* A text that is none of ours becomes a revision, or says what the head says. */
inline take_in(content)
{
    d_step {
        if
        :: content == head && ours[head] == UNKNOWN -> ours[head] = TAKEN_IN
        :: else ->
            assert(IS_EDIT(content));                   /* not one of ours, not a half */
            assert(!in_history[EDITOR_OF(content)]);    /* not a second time */
            head++;
            in_history[EDITOR_OF(content)] = true;
            taken[EDITOR_OF(content)] = head
        fi
    }
}

inline intend()
{
    d_step {
        ours[head] = OURS;
        doubtful = true;
        forget_older()
    }
}

inline confirm()
{
    d_step {
        ours[head] = OURS;
        doubtful = false;
        i = 1;
        do
        :: i < head ->
            if
            :: ours[i] == OURS -> ours[i] = REPLACED
            :: ours[i] == TAKEN_IN -> ours[i] = UNKNOWN
            :: else
            fi;
            i++
        :: i == head -> break
        od;
        i = 0;
        do
        :: i < EDITS -> taken[i] = 0; i++
        :: i == EDITS -> break
        od;
        i = 0
    }
}

inline forget_older()
{
#ifdef SHORT_MEMORY
    i = 1;
    do
    :: i + 1 < head -> ours[i] = UNKNOWN; i++
    :: i + 1 >= head -> break
    od;
    i = 0
#else
    skip
#endif
}

/* --- the store ------------------------------------------------------------------------------------- */

#ifdef NO_LEASE
#define ALONE(inode) true
#else
#define ALONE(inode) (open_by[inode] == 0)
#endif

#ifdef ONE_COMMIT
#define INTEND intend(); confirm()
#else
#define INTEND intend()
#endif

#define IS_OUR_SPARE(inode) (ALONE(inode) && (text[inode] == NOTHING || IS_KNOWN(text[inode])))
#define IS_OURS(inode) (ALONE(inode) && (text[inode] == seen || IS_KNOWN(text[inode])))
#define IS_OVERLAPPING(content) (IS_EDIT(content) && !IS_KNOWN(content) && overlaps[EDITOR_OF(content)])

proctype Store()
{
    byte inode, spare, seen;
    bool writing, waiting, absent, contested, left_beside;

start:
    /* A fresh handle looks at the file before anything else. */
    atomic {
        inode = 0; spare = 0; seen = NOTHING;
        writing = false; waiting = false; absent = false; contested = false; left_beside = false;
        noted = true
    }

idle:
    if
    :: atomic { writes_left > 0 -> writing = true; goto examine }
    :: atomic { noted ->
        noted = false;
        printf("workcopy.WorkingCopies.in_step\n");
        find(FILE, inode);
        if
        :: inode != NONE && IS_CLEAN(text[inode]) && !doubtful && !beside -> goto idle
        :: else -> goto examine
        fi }
    :: atomic { cuts_left > 0 && saving == 0 -> power_fails(); goto died }
    :: atomic { writes_left == 0 && !noted && editors_done == EDITS -> goto quiet }
    fi;

examine:
    atomic {
        printf("workexamine.Examiner.examine\n");
        waiting = false; contested = false; inode = 0;
        if
        :: doubtful -> find(SPARE, spare)
        :: !doubtful && beside -> goto aside
        :: else -> goto look
        fi
    }
    if
    :: spare == NONE
    :: spare != NONE && IS_OUR_SPARE(spare)
    :: spare != NONE && !IS_OUR_SPARE(spare) ->
        STEP("workbeside.Beside._inspect_spare\n", place[spare] = ASIDE; names_changed())
    fi;

aside:
    do
    :: inode < INODES && place[inode] == ASIDE && ALONE(inode) && IS_OVERLAPPING(text[inode]) ->
        STEP("workdesk.Desk.keep_contested\n", place[inode] = KEPT; names_changed(); inode++)
    :: inode < INODES && place[inode] == ASIDE && ALONE(inode) && !IS_OVERLAPPING(text[inode]) ->
        if
        :: IS_KNOWN(text[inode])
        :: !IS_KNOWN(text[inode]) ->
            STEP("workadopt.Adopter.commit_edit\n", take_in(text[inode]))
        fi;
        STEP("workbeside.Beside._inspect_aside\n", place[inode] = NOWHERE; names_changed(); inode++)
    :: atomic { inode < INODES && place[inode] == ASIDE && !ALONE(inode) -> waiting = true; inode++ }
    :: atomic { inode < INODES && place[inode] != ASIDE -> inode++ }
    :: inode == INODES -> break
    od;
    atomic {
        find(KEPT, inode);
        left_beside = (waiting || inode != NONE);
        if
        :: !doubtful && left_beside == beside -> goto look
        :: else
        fi
    }
#ifndef NO_SYNC_BEFORE_TIDY
    STEP("workbeside.Beside.clear\n", sync_names());
#endif
    STEP("workrecord.tidy\n", beside = left_beside; doubtful = false);

look:
    atomic {
        left_beside = false; absent = false;
        printf("worklook.look\n");
        find(FILE, inode);
        if
        :: inode == NONE -> absent = true; seen = NOTHING
        :: inode != NONE && ALONE(inode) -> seen = text[inode]
        :: else -> waiting = true; seen = NONE
        fi;
        printf("workfile.judge\n");
        if
        :: seen == NOTHING || seen == NONE || IS_CLEAN(seen) || IS_UNFINISHED(seen) -> skip
        :: else ->
            if
            :: IS_OVERLAPPING(seen) -> contested = true
            :: else -> goto edited
            fi
        fi
    }
    if
    :: atomic { writing ->
        printf("turn.Turn.append\n");
        writes_left--; head++; noted = true; writing = false; goto idle }
    :: atomic { !writing && (seen == NONE || IS_CLEAN(seen)) ->
        printf("workrender.Renderer._wait_before\n");
        noted = (noted || waiting); goto idle }
    :: !writing && seen != NONE && !IS_CLEAN(seen) -> goto place_it
    fi;

edited:
    STEP("workexamine.Examiner._take_in\n", take_in(seen));
    goto examine;

place_it:
    find(SPARE, spare);
    if
    :: spare != NONE && ALONE(spare)
    :: spare == NONE || !ALONE(spare) ->
        STEP("workplace.Placer._open_spare\n",
            if
            :: spare != NONE -> place[spare] = NOWHERE
            :: else
            fi;
            new_inode(SPARE); spare = j; j = 0; names_changed())
    fi;
    STEP("files.Files.rewrite\n", text[spare] = HALF; unsynced[spare] = true);
    STEP("workplace.Placer._write_spare\n", text[spare] = head);
#ifndef NO_DATA_SYNC
    STEP("files.Files.sync_data\n", unsynced[spare] = false);
#endif
#ifndef MATERIALISE_FIRST
    STEP("workplace.Placer._intend\n", INTEND);
#endif
    if
    :: absent -> goto move
    :: !absent
    fi;
    /* Somebody may have taken the name away since the look: the next round sees to it. */
#ifdef PLAIN_RENAME
    STEP("files.Files.replace\n",
        find(FILE, inode);
        if
        :: inode == NONE -> noted = true; goto idle
        :: else -> place[inode] = NOWHERE; place[spare] = FILE
        fi;
        names_changed());
    goto confirm_it;
#else
    STEP("files.Files.exchange\n",
        find(FILE, inode);
        if
        :: inode == NONE -> noted = true; goto idle
        :: else -> place[inode] = SPARE; place[spare] = FILE
        fi;
        names_changed());
#endif
#ifdef MATERIALISE_FIRST
    STEP("workplace.Placer._intend\n", INTEND);
#endif
    if
    :: contested && text[inode] == seen ->
        STEP("workdesk.Desk.keep_contested\n", place[inode] = KEPT; names_changed(); left_beside = true)
    :: !(contested && text[inode] == seen) && IS_OURS(inode) ->
        STEP("workplace.Placer._judge_displaced\n", skip)
    :: !(contested && text[inode] == seen) && !IS_OURS(inode) ->
        STEP("workdesk.Desk.set_aside\n", place[inode] = ASIDE; names_changed(); left_beside = true)
    fi;
    goto confirm_it;

move:
    STEP("workplace.Placer._put\n",
        find(FILE, inode);
        if
        :: inode != NONE -> noted = true; goto idle
        :: else -> place[spare] = FILE
        fi;
        names_changed());

confirm_it:
#ifndef NO_FOLDER_SYNC
    STEP("workplace.Placer._sync\n", sync_names());
#endif
    STEP("workplace.Placer._confirm\n", confirm(); beside = (beside || left_beside); noted = true);
    goto idle;

died:
    goto start;

quiet:
    skip;
    d_step {
        FIND(place[i] == FILE, inode);
        assert(inode != NONE && IS_CLEAN(text[inode]));         /* the file says what the head says */
        j = 0;
        do
        :: j < EDITS ->
            FIND(place[i] == KEPT && text[i] == EDIT(j), inode);
            assert(!saved[j] || overwritten[j] || in_history[j] || inode != NONE);      /* no edit is lost */
            j++
        :: j == EDITS -> break
        od;
        j = 0
    }
#ifdef REACH
    assert(false)                       /* to see that all this is reached */
#endif
}

/* --- editors ----------------------------------------------------------------------------------------- */

/* Whoever saves over another's edit that was not taken in yet has seen it, or might have. */
inline save_over(inode, me)
{
    d_step {
        if
        :: IS_EDIT(text[inode]) && EDITOR_OF(text[inode]) != me && !in_history[EDITOR_OF(text[inode])] ->
            overwritten[EDITOR_OF(text[inode])] = true
        :: else
        fi
    }
}

inline write(inode, content, me)
{
    save_over(inode, me);
    text[inode] = content;
    if
    :: dropped[inode] -> overwritten[me] = true
    :: else
    fi
}

/* The old file goes, under a name that is none of ours. */
inline take_away(inode, me)
{
    find(FILE, inode);
    if
    :: inode != NONE ->
        save_over(inode, me);
        place[inode] = NOWHERE;
        dropped[inode] = (open_by[inode] > 0)
    :: else
    fi
}

proctype Editor(byte me)
{
    byte inode;

    atomic {
        if
        :: overlaps[me] = true
        :: overlaps[me] = false
        fi
    }
    if
    :: atomic {
        printf("an editor saves by renaming\n");
        take_away(inode, me);
        new_inode(FILE);
        text[j] = EDIT(me);
        j = 0;
        sync_names();
        goto done }
    :: atomic {
        printf("an editor moves the file away, to create another\n");
        take_away(inode, me);
        names_changed();
        saving++ }
    :: saving++
    fi;
open:
    atomic {
        printf("an editor opens the file\n");
        find(FILE, inode);
        if
        :: inode == NONE -> new_inode(FILE); inode = j; j = 0; names_changed()
        :: else
        fi;
        open_by[inode]++ }
    if
    :: atomic { printf("an editor writes the first part\n"); write(inode, PART(me), me) }
    :: true
    fi;
    atomic { printf("an editor has written all\n"); write(inode, EDIT(me), me); sync_names() }
    atomic { printf("an editor closes\n"); open_by[inode]--; saving--; d_step { forget_nameless() }; goto done }
done:
    atomic { saved[me] = true; noted = true; editors_done++ }
}

init
{
    atomic {
        text[0] = 1; place[0] = FILE; disk[0] = FILE; ours[1] = OURS;
        run Store();
        j = 0;
        do
        :: j < EDITS -> run Editor(j); j++
        :: j == EDITS -> break
        od;
        j = 0
    }
}
