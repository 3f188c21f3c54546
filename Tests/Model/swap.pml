/*
 * Publication, report and grace period, as docs/concurrency.md argues them, for the model checker spin.
 *
 * Memory. Each word has one writer and one reader, so all that a weak memory can do to it is to show the
 * reader older values than the last: in order, since a location's values are coherent, but late, and later
 * than what the writer does next. So each word is a queue of stores that the reader has not seen yet, and a
 * load takes any number of them out first. That covers acquire and release, as C11 has them. A sequentially
 * consistent load takes out at least all up to the last sequentially consistent store.
 * What reordering within a thread could do beyond that is shown by variants: RELAXED_REPORT, RELAXED_PUBLISH.
 *
 * Time does not exist: a deadline may pass at any moment, and a wait may end in vain.
 *
 * Checked: no view's memory is reused, and no generation unmapped, while a worker may read it; a worker never
 * meets a view that is not whole. Tests/Model/check names the variants, each wrong on purpose but for the first.
 */
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef PUBLICATIONS
#define PUBLICATIONS 4
#endif
#ifndef SLOTS
#define SLOTS 4
#endif
#ifndef DEPTH
#define DEPTH 3
#endif
#define IDLE 255
#define NOBODY 255
#define POISON 0

/* worker->view: the slots stored there that the worker has not seen yet, with the sequence each had then. */
chan word[WORKERS] = [DEPTH] of { byte, byte };
byte slot_at[WORKERS];
byte sequence_at[WORKERS];

/* worker->seen: the values that the agent has not seen yet, and whether the store was the strong kind. */
chan said[WORKERS] = [DEPTH] of { byte, bit };
byte heard[WORKERS];
byte strong[WORKERS];
byte last[WORKERS];

/* The memory of views: the sequence that is written there. View n names generation n / 2. */
byte content[SLOTS];
byte mapped[PUBLICATIONS + 2];

/* What a worker may still read; NOBODY when nothing. */
byte using[WORKERS];
byte older[WORKERS];

bit registered[WORKERS];
bit gone[WORKERS];
bit lock;
byte sequence = 1;
byte in_force;

/* Any value not older than the last one that was read. */
inline load_view(w) {
  do
  :: word[w] ? slot_at[w], sequence_at[w]
  :: break
  od
}

inline load_view_strong(w) {
  do
  :: word[w] ? slot_at[w], sequence_at[w]
  :: empty(word[w]) -> break
  od
}

/*
 * A queue that is full has been seen in part: a store stays unseen for long, not for ever. Who stores the
 * same value twice has stored it once, as far as the reader can tell. (No `else` here: at the head
 * of a choice it would mean that nothing else in that choice can be done.)
 */
inline store_seen(w, value, is_strong) {
  atomic {
    if
    :: last[w] == value && !is_strong
    :: last[w] != value || is_strong ->
       if
       :: full(said[w]) -> take_seen(w)
       :: nfull(said[w])
       fi;
       said[w] ! value, is_strong;
       strong[w] = strong[w] + is_strong;
       last[w] = value
    fi
  }
}

inline take_seen(w) {
  said[w] ? heard[w], taken;
  strong[w] = strong[w] - taken
}

inline load_seen(w) {
  do
  :: nempty(said[w]) -> take_seen(w)
  :: strong[w] == 0 -> break
  od
}

inline publish_to(w, slot, number) {
  atomic {
    if
    :: full(word[w]) -> word[w] ? slot_at[w], sequence_at[w]
    :: nfull(word[w])
    fi;
    word[w] ! slot, number
  }
}

/* hitless_enter; from the load on, and until the batch is done, the worker reads that view. */
inline enter(w) {
#if defined(TICK)
  store_seen(w, tick, 0);
  tick = (tick + 1) % 8;
#endif
  atomic {
    load_view(w);
    using[w] = slot_at[w];
    number = sequence_at[w];
    assert(content[slot_at[w]] == number && mapped[number / 2])
  };
#if defined(SECOND_LOAD)
  atomic { load_view(w); number = sequence_at[w] };
#endif
#if defined(POINTER)
  store_seen(w, using[w], 0);
#elif !defined(TICK)
  store_seen(w, number, 0);
#endif
  number = 0
}

inline idle(w) {
  store_seen(w, IDLE, 0)
}

inline resume(w) {
#if defined(WEAK_RESUME)
  store_seen(w, 0, 0)
#else
  store_seen(w, 0, 1);
  atomic { load_view_strong(w) }
#endif
}

/* Under the lock that every publication holds. The thread that stores the word is the one that reads it. */
inline register_worker(w) {
#if defined(UNLOCKED_REGISTRATION)
  atomic { place = in_force; number = sequence };
  store_seen(w, number, 1);
  atomic { publish_to(w, place, number); load_view_strong(w); registered[w] = 1; place = 0; number = 0 }
#else
  atomic {
    lock == 0 ->
    store_seen(w, sequence, 1);
    publish_to(w, in_force, sequence);
    load_view_strong(w);
    registered[w] = 1
  }
#endif
}

inline unregister_worker(w) {
  atomic { lock == 0 -> registered[w] = 0; store_seen(w, IDLE, 0) }
}

proctype worker(byte w) {
  byte number, place, tick;
  bit taken;
end:
  do
  :: enter(w);
#if defined(RELAXED_REPORT)
     /* The last reads of a view may come after the next report: it is still used in the next batch. */
     atomic { older[w] = using[w]; using[w] = NOBODY }
#else
     using[w] = NOBODY
#endif
#if defined(SLEEP) || defined(WEAK_RESUME)
  :: w == 0 -> idle(w); resume(w)
#endif
#if defined(LIFE) || defined(UNLOCKED_REGISTRATION)
  :: w == 0 -> unregister_worker(w); register_worker(w)
#endif
#if defined(LIFE)
     /* The thread ends in the middle of a batch: nothing reads for it any more, and nobody says so. When
        the record was taken back, another thread may get it. */
  :: atomic { w == 0 -> gone[w] = 1; using[w] = NOBODY };
endGone:
     atomic { registered[w] == 0 -> gone[w] = 0 };
     register_worker(w)
#endif
  od
}

#if defined(ENDED_WHILE_IT_RUNS)
#define HAS_ENDED(w) (using[w] != NOBODY)
#else
#define HAS_ENDED(w) gone[w]
#endif

/* The kernel says that the thread has ended, so whoever holds the lock ends the worker in its place. */
inline take_back_ended(w) {
  atomic {
    lock == 0 ->
    if
    :: HAS_ENDED(w) && registered[w] -> registered[w] = 0; store_seen(w, IDLE, 0)
    :: else
    fi
  }
}

/*
 * The stores to all workers are one step: each worker sees its own late anyhow, and workers do not talk to
 * each other.
 */
inline publish() {
  atomic {
    lock == 0 && (content[0] == 0 || content[1] == 0 || content[2] == 0 || content[SLOTS - 1] == 0);
    do :: content[place] != POISON -> place++ :: else -> break od;
#if defined(RELAXED_PUBLISH)
    lock = 1;
#else
    content[place] = sequence + 1;
#endif
    mapped[(sequence + 1) / 2] = 1;
    publish_to_all(place, sequence + 1);
    sequence++;
    in_force = place;
    mine = sequence;
    place = 0
  };
#if defined(RELAXED_PUBLISH)
  atomic { content[in_force] = sequence; lock = 0 }
#endif
}

inline publish_to_all(slot, number) {
  w = 0;
  do
  :: w < WORKERS && registered[w] -> publish_to(w, slot, number); w++
  :: w < WORKERS && !registered[w] -> w++
  :: else -> break
  od;
  w = 0
}

#if defined(POINTER)
#define IS_OLD(place, limit) (place != 0 && content[place] != POISON)
#else
#define IS_OLD(place, limit) (content[place] != POISON && content[place] < limit)
#endif

/* Nobody may be reading what is poisoned, nor a generation that is unmapped because no view names it. */
inline retire(limit) {
  atomic {
    lock == 0;
#if defined(NOTHING_IS_RETIRED)
    assert(0);
#endif
    do
    :: place < SLOTS && IS_OLD(place, limit) ->
       do
       :: w < WORKERS -> assert(using[w] != place && older[w] != place); w++
       :: else -> break
       od;
       w = 0;
       mapped[content[place] / 2] = 0;
       content[place] = POISON;
       place++
    :: place < SLOTS && !IS_OLD(place, limit) -> place++
    :: else -> break
    od;
    place = 0;
    do
    :: place < SLOTS && content[place] != POISON -> mapped[content[place] / 2] = 1; place++
    :: place < SLOTS && content[place] == POISON -> place++
    :: else -> break
    od;
    place = 0
  }
}

#if defined(TICK)
#define HAS_PASSED(w) (heard[w] != before[w])
#elif defined(POINTER)
#define HAS_PASSED(w) (heard[w] == 0)
#else
#define HAS_PASSED(w) (heard[w] >= mine)
#endif

/* waitForGrace: the list is copied, then each worker is looked at until it has passed or time is over. */
inline wait_for_grace() {
  atomic {
    lock == 0;
    do
    :: w < WORKERS ->
       listed[w] = registered[w];
#if defined(TICK)
       load_seen(w); before[w] = heard[w];
#endif
       w++
    :: else -> break
    od;
    w = 0
  };
  do
  :: w < WORKERS && listed[w] ->
     atomic {
       load_seen(w);
       if
       :: HAS_PASSED(w) -> w++
       :: else ->
          if
          :: skip
          :: late = 1; break
#if defined(LIFE)
          :: HAS_ENDED(w) -> take_back_ended(w)
#endif
          fi
       fi
     }
  :: w < WORKERS && !listed[w] -> w++
  :: w == WORKERS -> break
  od;
  w = 0
}

/* Whoever activates or rolls back: several at once, since waiting is no part of an operation. */
proctype operator(byte count) {
  byte w, place, mine;
  bit late, taken;
  bit listed[WORKERS];
#if defined(TICK)
  byte before[WORKERS];
#endif
  do
  :: count > 0 ->
     count--;
     publish();
#if defined(POINTER)
     /* A view that is kept for rollbacks is put in force once more. */
     atomic { publish_to_all(0, 1); in_force = 0; mine++ };
#endif
     /* Announcements, and rollbacks right behind an activation, are publications that nobody waits for. */
     if
     :: wait_for_grace();
#if defined(DEADLINE_IS_PROOF)
        late = 0;
#endif
        if
        :: !late -> retire(mine)
        :: else -> late = 0
        fi
     :: skip
     fi;
     mine = 0;
     do :: w < WORKERS -> listed[w] = 0; w++ :: else -> w = 0; break od
  :: else -> break
  od
}

init {
  byte w;
  atomic {
    content[0] = 1;
    mapped[0] = 1;
    do
    :: w < WORKERS ->
       registered[w] = 1;
       using[w] = NOBODY;
       older[w] = NOBODY;
       sequence_at[w] = 1;
       heard[w] = 1;
       last[w] = 1;
       run worker(w);
       w++
    :: else -> break
    od;
#if defined(POINTER)
    heard[0] = 0;
    last[0] = 0;
    run operator(PUBLICATIONS)
#else
    run operator(PUBLICATIONS / 2);
    run operator(PUBLICATIONS - PUBLICATIONS / 2)
#endif
  }
}
