/*
 * The guard, as docs/concurrency.md argues it, for the model checker spin: workers that leave a candidate by
 * themselves, the handover of their reports, the watchdog's signals, the breaker's word, and the agent that
 * answers while an operator activates, rolls back and confirms.
 *
 * What memory may do to views is the matter of swap.pml; here each load finds the last store. What is not
 * atomic there, the parts of a report, is written and read here part by part.
 *
 * Checked:
 *   - each batch is applied exactly once;
 *   - the agent never reads parts of two reports;
 *   - a worker stays away from the view in which it has faulted, and tries every other;
 *   - a signal for a late batch ends that batch or none;
 *   - a breaker that is half open lets through as many batches as it has tokens;
 *   - when all is quiet, no candidate is in force, or confirmed, that has faulted since it was activated;
 *   - a report of an earlier time in force takes no candidate out (where a breaker would, it is out by itself),
 *     and does not count for a later one.
 * Tests/Model/check names the variants, each wrong on purpose but for the first.
 */
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef BATCHES
#define BATCHES 3
#endif
#ifndef OPERATIONS
#define OPERATIONS 4
#endif
#define VIEWS 10
#define FREE 0
#define FULL 1

/* Views by their sequence: the candidate, 0 when there is none, and the activation it belongs to. */
byte candidate[VIEWS];
byte activation_of[VIEWS];
byte in_force = 1;

/* struct hitless_guard, one per worker. */
byte left[WORKERS];
bit state[WORKERS];
byte report_generation[WORKERS];
byte report_view[WORKERS];
byte missed[WORKERS];
byte guarded[WORKERS];
byte late_batch[WORKERS];
bit signalled[WORKERS];

/* struct hitless_breaker. */
bit is_open;
bit is_half_open;
byte tokens;

/* The agent's transaction. */
bit operating;
bit is_active;
byte generation = 1;
byte confirmed;
byte faults;
/* Views before it are of an earlier time in force. */
byte since;

/* What the checks know. */
byte activation;
bit is_dirty;
byte left_view[WORKERS];
bit is_slow[WORKERS];
byte given;

#if defined(LEFT_BY_GENERATION)
#define MARK(view) candidate[view]
#elif defined(LEFT_BY_POINTER)
/* The memory of a view is used again. */
#define MARK(view) (view % 2 + 1)
#else
#define MARK(view) view
#endif

inline begin_guarded(w) { guarded[w]++ }
inline end_guarded(w) { guarded[w]++ }

/* In the handler, on the worker's own thread: nothing else of this thread runs meanwhile. */
inline leave(w, view) {
  atomic {
    if
    :: activation_of[view] == activation -> is_dirty = 1
    :: activation_of[view] != activation
    fi;
    is_slow[w] = 0
  };
  reports = 0;
  if
  :: state[w] == FREE ->
     report_generation[w] = candidate[view];
     report_view[w] = view;
     reports = 1
  :: state[w] == FULL ->
#if defined(FORGOTTEN_REPORT)
     skip
#else
     missed[w] = candidate[view]
#endif
  fi;
  atomic { left[w] = MARK(view); left_view[w] = view };
  end_guarded(w);
  if
  :: reports -> state[w] = FULL; reports = 0
  :: !reports
  fi;
  is_open = 1
}

/* Up to the commit point; then `is_left` tells whether the batch has to be run again. */
inline run_candidate(w, view) {
  begin_guarded(w);
  do
  :: !is_slow[w] -> end_guarded(w); applied++; break
  :: !is_slow[w] -> leave(w, view); is_left = 1; break
#if defined(LATE) || defined(ANY_SIGNAL)
  :: !is_slow[w] -> is_slow[w] = 1
  :: is_slow[w] -> atomic { is_slow[w] = 0; end_guarded(w); applied++ }; break
  :: atomic { signalled[w] -> signalled[w] = 0 };
#if defined(ANY_SIGNAL)
     assert(is_slow[w]);
     leave(w, view); is_left = 1; break
#else
     if
     :: late_batch[w] == guarded[w] -> assert(is_slow[w]); leave(w, view); is_left = 1; break
     :: late_batch[w] != guarded[w]
     fi
#endif
#endif
  od;
#if defined(RUN_AGAIN_AFTER_COMMIT)
  if :: !is_left && view % 2 == 0 -> is_left = 1 :: else fi;
#endif
  if
  :: is_left -> applied++; is_left = 0
  :: else
  fi
}

inline take_token() {
#if defined(TOKEN_IN_TWO_STEPS)
  has_token = tokens > 0;
  if
  :: has_token -> tokens = 0; given++; assert(given <= 1)
  :: !has_token
  fi
#else
  atomic {
    if
    :: tokens > 0 -> tokens--; has_token = 1; given++; assert(given <= 1)
    :: tokens == 0 -> has_token = 0
    fi
  }
#endif
}

proctype worker(byte w) {
  byte view, applied, batches;
  bit is_left, has_token, reports, opened, halved;
  do
  :: batches < BATCHES ->
     batches++;
     view = in_force;
     if
     :: candidate[view] == 0 -> applied++
     :: candidate[view] != 0 && left[w] == MARK(view) ->
        /* It has left this very view, not one that looks like it. */
        assert(left_view[w] == view);
        applied++
     :: candidate[view] != 0 && left[w] != MARK(view) ->
        atomic { opened = is_open; halved = is_half_open };
        if
        :: !opened && !halved -> run_candidate(w, view)
        :: opened -> applied++
        :: !opened && halved ->
           take_token();
           if
           :: has_token -> has_token = 0; run_candidate(w, view)
           :: else -> applied++
           fi
        fi;
        opened = 0; halved = 0
     fi;
     assert(applied == 1);
     applied = 0;
     view = 0
     /* Between two batches a signal finds nothing to end. */
  :: batches < BATCHES && signalled[w] -> signalled[w] = 0
  :: batches == BATCHES -> break
  od
}

inline tell() {
  late_batch[w] = seen;
  atomic { signalled[w] = 1; seen = 0; w = 0 }
}

/* It sees the same batch twice, and that it has used more processor time than it may: then it is slow. */
proctype watchdog() {
  byte w, seen;
end:
  do
  :: atomic { is_slow[0] && guarded[0] % 2 == 1 -> w = 0; seen = guarded[0] };
     tell()
#if WORKERS > 1
  :: atomic { is_slow[1] && guarded[1] % 2 == 1 -> w = 1; seen = guarded[1] };
     tell()
#endif
  od
}

inline publish(new_candidate) {
  atomic {
    candidate[in_force + 1] = new_candidate;
    activation_of[in_force + 1] = activation;
    in_force++
  }
}

/* `exclusively`: one operation at a time. */
#define BEGIN_OPERATION !operating -> operating = 1
#define END_OPERATION operating = 0

/* Whether what is reported of a view, 0 for one that is not known, is held against the candidate. */
#if defined(ANY_TIME)
#define COUNTS(view) 1
#else
#define COUNTS(view) (view == 0 || view >= since)
#endif

/* Takes a generation that has faulted out of force, unless that has happened. */
inline withdraw(which, view) {
  atomic { BEGIN_OPERATION };
  if
  :: is_active && generation == which && COUNTS(view) ->
     assert(view == 0 || is_dirty);
     publish(0);
     atomic { is_active = 0; END_OPERATION }
#if !defined(NEVER_REVERT)
  :: confirmed != 0 && confirmed == which && COUNTS(view) ->
     assert(view == 0 || is_dirty);
     publish(0);
     atomic { confirmed = 0; END_OPERATION }
#endif
  :: else -> END_OPERATION
  fi
}

inline answer() {
#if defined(RELEASE_BEFORE_READING)
  state[w] = FREE;
#endif
  one = report_generation[w];
  two = report_view[w];
  assert(candidate[two] == one);
  if
  :: atomic { generation == one && COUNTS(two) -> assert(is_dirty); faults++ }
  :: else
  fi;
  withdraw(one, two);
#if !defined(RELEASE_BEFORE_READING)
  /* Behind the rollback, its grace period and the audit line. */
  state[w] = FREE;
#endif
  atomic { one = 0; two = 0; w = 0 }
}

inline answer_missed() {
  withdraw(one, 0);
  one = 0
}

/* The thread that answers for faults. */
proctype answerer() {
  byte w, one, two;
end:
  do
  :: atomic { state[0] == FULL -> w = 0 }; answer()
  :: atomic { missed[0] != 0 -> one = missed[0]; missed[0] = 0; faults++ }; answer_missed()
#if WORKERS > 1
  :: atomic { state[1] == FULL -> w = 1 }; answer()
  :: atomic { missed[1] != 0 -> one = missed[1]; missed[1] = 0; faults++ }; answer_missed()
#endif
  od
}

#define HAS_FAULT_OF(w, which) (missed[w] == which \
  || (state[w] == FULL && report_generation[w] == which && COUNTS(report_view[w])))
#if WORKERS > 1
#define HAS_FAULT(which) (HAS_FAULT_OF(0, which) || HAS_FAULT_OF(1, which))
#else
#define HAS_FAULT(which) HAS_FAULT_OF(0, which)
#endif

inline confirm() {
  if
  :: faults == 0 && !HAS_FAULT(generation) ->
     /* The set is written to the device here; meanwhile a worker may fault. */
     if
     :: !HAS_FAULT(generation) -> publish(0)
     :: HAS_FAULT(generation) -> skip
     fi;
     atomic { confirmed = generation; is_active = 0 }
  :: else
  fi
}

/* Whoever asks, or the timer: activates, activates something else, rolls back, confirms. */
proctype operator(byte count) {
  do
  :: count > 0 ->
     atomic { BEGIN_OPERATION -> count-- };
     if
     :: !is_active && confirmed == 0 ->
        /* The same candidate once more, or another one. */
        atomic {
          if :: generation = generation :: generation < 3 -> generation++ fi;
          activation++;
          is_dirty = 0;
          faults = 0;
#if !defined(TIME_BEGINS_WITH_VIEW)
          since = in_force + 1;
#endif
          is_open = 0; is_half_open = 0; given = 0
        };
        publish(generation);
#if defined(TIME_BEGINS_WITH_VIEW)
        since = in_force;
#endif
        is_active = 1
     :: is_active -> publish(0); is_active = 0
     :: is_active -> confirm()
     :: confirmed != 0 -> skip
     fi;
     END_OPERATION
  :: count == 0 -> break
  od
}

/* Nothing can happen any more but what this says. */
proctype judge() {
  timeout -> assert(!(is_dirty && (is_active || (confirmed != 0 && confirmed == generation))))
}

init {
  byte w;
  atomic {
    do
    :: w < WORKERS -> run worker(w); w++
    :: else -> break
    od;
#if defined(LATE) || defined(ANY_SIGNAL)
    run watchdog();
#endif
    run answerer();
#if defined(HALF_OPEN) || defined(TOKEN_IN_TWO_STEPS)
    /* A candidate that is tried once more. */
    candidate[1] = 1;
    activation = 1;
    activation_of[1] = 1;
    is_active = 1;
    is_half_open = 1;
    tokens = 1;
#endif
    run operator(OPERATIONS);
    run judge()
  }
}
