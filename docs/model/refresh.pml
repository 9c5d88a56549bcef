/*
 * How a fleet refreshes one grant, for spin. README.md says what is modelled and what is not; ./check runs everything.
 *
 * Three replicas share one grant in a store and one GitHub. Beside them one user signs in anew and one signs out, each at
 * most once. Every step may be the last one before a crash, every answer may get lost, and there is no clock: a lease or a
 * grace ends whenever that does most harm.
 *
 * A step is atomic where it is one call of the store or of GitHub. Everything between two steps is another process's chance.
 */

#ifndef REPLICAS
#define REPLICAS 3              /* or 2 */
#endif
#ifndef TRIES
#define TRIES 1                 /* rotations of each replica */
#endif

#define LAST     REPLICAS       /* one more replica, that rotates alone after all others have come to rest */
#define SIGN_IN  (REPLICAS + 1) /* the other two who read and write the grant */
#define SIGN_OUT (REPLICAS + 2)
#define WRITERS  (REPLICAS + 3)

#define NOBODY  0               /* the owner in a lease: nobody, */
#define OWNER   (me + 1)        /* this process, */
#define CRASHED 99              /* or one that is no more; what replaces it has another nonce */
#define NONE    99              /* no generation */
#define newer(g, than) (than == NONE || g > than)

/* ---- the grant in the store ------------------------------------------------------------------------------------- */

typedef Grant {
	byte lineage;           /* the sign-in that brought the token: 1, 2, or 0 for a tombstone */
	byte generation;
	byte lease;
	bool unknown;
	bool needs_login;
	bool login1             /* the first sign-in's login; the second's stands as long as lineage 2 does */
};
Grant grant;

/*
 * Versions and write ids are compared for equality alone, so a bit says all of them: current[w], the version that w knows
 * is the one that stands; wrote[w], the write that stands is w's last. Only where Delete lets versions start over are there
 * numbers.
 */
bool wrote[WRITERS];
#ifdef M_DELETE
byte version;
byte knows[WRITERS];
#define current(who) (knows[who] == version)
#else
bool fresh[WRITERS];
#define current(who) fresh[who]
#endif

#ifdef LAG
/* An earlier state of the grant that a read may still answer with, and to whom the contract of a store forbids it. */
Grant earlier;
bool behind_own[WRITERS];
#endif

/*
 * An update reads, decides, and puts on the version it read; where another writer came between nothing has happened and it
 * does so again. So it is one step here. With SPLIT the first one, READ and CLAIM, is two, to show that this hides nothing.
 */
#ifdef SPLIT
#define step(label) } label: atomic {
#else
#define step(label)
#endif

/* What one step reads, puts and hears. None of it outlives the step. */
hidden Grant seen, next;
mtype = { ok, conflict, failed };
hidden mtype answer;
hidden byte in_doubt;

/* ---- GitHub ----------------------------------------------------------------------------------------------------- */

typedef Line {                  /* the pairs of one sign-in */
	bool issued;
	byte newest;            /* only the pair of this generation is any good, */
	bool dead;              /* unless it was revoked */
	bool late;              /* a request with the newest refresh token, whose caller is gone, may still be carried out */
	bool lost;              /* the newest pair went in the one window: a crash, or a lost answer, after GitHub rotated */
	bool revoked            /* by the user */
};
Line github[3];

#define good(l, g) (github[l].issued && !github[l].dead && github[l].newest == g)

inline rotate(whose) {
	github[whose].newest++;
	github[whose].late = false
}

inline revoke(whose, which) {
	if
	:: good(whose, which) -> github[whose].dead = true; github[whose].late = false
	:: else
	fi;
	printf("  revoke lineage %d generation %d\n", whose, which)
}

/* ---- the replicas ----------------------------------------------------------------------------------------------- */

typedef Replica {
	byte lineage;           /* the token that the rotation under way replaces */
	byte generation;
	bool in_flight;         /* it waits for GitHub's answer */
	bool holds;             /* it holds the next pair */
	bool overrun            /* its lease ran out: somebody claimed over it */
};
Replica r[REPLICAS + 1];

byte resting;                   /* replicas, sign-in and sign-out that have ended */
bool quiet;                     /* all have: no more faults for the last rotation */
bool signed_in;                 /* the second sign-in's put took effect */
byte begun;                     /* replicas that have begun a rotation: they are alike, so they begin in one order */

#ifdef FAULTLESS
#define may_fail  false
#define may_crash false
#else
#define may_fail  (!quiet)
#define may_crash (!quiet)
#endif

#define refreshable (grant.lineage != 0 && !grant.needs_login)
#define same_token(a, b) (r[a].lineage == r[b].lineage && r[a].generation == r[b].generation)
#define has_pair(i, l, g) (r[i].holds && r[i].lineage == l && r[i].generation + 1 == g)
#define somebody_has(l, g) (has_pair(0, l, g) || has_pair(1, l, g) || has_pair(2, l, g) || has_pair(LAST, l, g))
#define rival(i) (i != me && same_token(i, me) && (r[i].in_flight || r[i].holds))
#ifdef FAULTLESS
#define excused(i) false
#else
#define excused(i) (r[i].overrun || r[me].overrun)
#endif
#define asks_too(i) (i != me && r[i].in_flight && same_token(i, me) && !excused(i))

/* ---- the invariants --------------------------------------------------------------------------------------------- */

/* As hidden variables they have names that spin prints, and cost no memory. */
hidden byte I1_one_token_request_unless_a_lease_ran_out;
hidden byte I2_newest_pair_is_kept;
hidden byte I3_no_needs_login_on_a_good_token;
hidden byte I3_no_needs_login_unless_lost_or_revoked;
hidden byte I3_reason_is_true;
hidden byte I4_refresh_stays_in_its_lineage;
hidden byte I5_generation_never_goes_back;
hidden byte I6_two_writes_one_request;
hidden byte I7_pair_nobody_stores_is_revoked;
hidden byte last_rotation_mends_or_tells;

#if defined(FAULTLESS) && defined(NO_SIGN_IN) && defined(NO_SIGN_OUT)
#define I6
byte writes;                    /* by refreshes, since the generation began */
byte requests;
#endif

#define stored(l) (grant.lineage == l && grant.generation == github[l].newest)
#define lost_or_revoked (github[grant.lineage].lost || github[grant.lineage].revoked)

inline always() {
	I2_newest_pair_is_kept = grant.lineage == 0 || github[grant.lineage].dead || stored(grant.lineage) ||
		github[grant.lineage].lost || somebody_has(grant.lineage, github[grant.lineage].newest);
	assert(I2_newest_pair_is_kept);
	I3_no_needs_login_on_a_good_token = !grant.needs_login || !good(grant.lineage, grant.generation);
	assert(I3_no_needs_login_on_a_good_token);
	I3_reason_is_true = !grant.needs_login || grant.unknown || github[grant.lineage].revoked;
	assert(I3_reason_is_true);
#ifdef IN_TIME
	I3_no_needs_login_unless_lost_or_revoked = !grant.needs_login || lost_or_revoked;
	assert(I3_no_needs_login_unless_lost_or_revoked);
#endif
}

inline at_rest() {
	I3_no_needs_login_unless_lost_or_revoked = !grant.needs_login || lost_or_revoked;
	assert(I3_no_needs_login_unless_lost_or_revoked);
	I7_pair_nobody_stores_is_revoked =
		(!github[1].issued || github[1].dead || stored(1) || github[1].lost) &&
		(!github[2].issued || github[2].dead || stored(2) || github[2].lost);
	assert(I7_pair_nobody_stores_is_revoked);
}

/* ---- the store -------------------------------------------------------------------------------------------------- */

inline copy(to, from) {
	to.lineage = from.lineage; to.generation = from.generation; to.lease = from.lease;
	to.unknown = from.unknown; to.needs_login = from.needs_login; to.login1 = from.login1
}

/* get fills seen, and next as a copy to be changed. */
inline get(who) {
#ifdef LAG
	if
	:: true -> copy(seen, grant); fresh[who] = true
	:: !behind_own[who] && !quiet -> copy(seen, earlier); fresh[who] = false
	fi;
#else
	copy(seen, grant);
#ifdef M_DELETE
	knows[who] = version;
#else
	fresh[who] = true;
#endif
#endif
	copy(next, seen)
}

/* put stores next if the version that who knows stands. It may take effect and yet fail: the answer was lost. */
inline put(who) {
	if
	:: current(who) -> take_effect(who); acknowledge(who); answer = ok
	:: current(who) && may_fail -> take_effect(who); lose_answer(who); answer = failed
	:: may_fail -> answer = failed
	:: !current(who) -> answer = conflict
	fi;
	printf("%d put    lineage %d generation %d lease %d unknown %d needs_login %d: %e\n", who, next.lineage,
		next.generation, next.lease, next.unknown, next.needs_login, answer)
}

/*
 * confirm makes sure of a read that ends an update without a put. Where reads may lag, only a put of what was read, unchanged,
 * can tell.
 */
inline confirm(who) {
#if defined(LAG) && !defined(M_UNCONFIRMED)
	put(who)
#else
	answer = ok
#endif
}

inline acknowledge(who) {
#if defined(LAG) && !defined(M_LAG_BEHIND_OWN)
	behind_own[who] = true
#else
	skip
#endif
}

inline lose_answer(who) {
	if
	:: who <= LAST -> wrote[who] = true
	:: else
	fi;
	forget_version(who)
}

inline forget_version(who) {
#ifdef M_DELETE
	knows[who] = NONE
#else
	fresh[who] = false
#endif
}

inline take_effect(who) {
	d_step {
		if
		:: who <= LAST ->
			I4_refresh_stays_in_its_lineage = grant.lineage == next.lineage;
			assert(I4_refresh_stays_in_its_lineage);
			if
			:: next.lease == who + 1 ->
				r[who].overrun = false;
				if
				:: grant.lease != NOBODY && grant.lease != CRASHED && grant.lease != who + 1 ->
					r[grant.lease - 1].overrun = r[grant.lease - 1].lineage != 0
				:: else
				fi
			:: else
			fi;
#ifdef I6
			writes++;
			I6_two_writes_one_request = writes <= 2 && requests <= 1;
			assert(I6_two_writes_one_request);
#endif
		:: else
		fi;
#ifdef I6
		if
		:: next.lineage != grant.lineage || next.generation != grant.generation -> writes = 0; requests = 0
		:: else
		fi;
#endif
		I5_generation_never_goes_back =
			(next.lineage != grant.lineage || next.generation >= grant.generation) &&
			(next.lineage == grant.lineage || next.lineage != 1) &&
			(next.lineage == grant.lineage || next.lineage != 2 || !signed_in);
		assert(I5_generation_never_goes_back);
		signed_in = signed_in || next.lineage == 2
	};
#ifdef LAG
	if
	:: copy(earlier, grant);
	   behind_own[0] = false; behind_own[1] = false; behind_own[2] = false; behind_own[LAST] = false;
	   behind_own[SIGN_IN] = false; behind_own[SIGN_OUT] = false
	:: true
	fi;
#endif
	d_step {
		copy(grant, next);
		wrote[0] = false; wrote[1] = false; wrote[2] = false; wrote[LAST] = false;
#ifdef M_DELETE
		version = (next.lineage == 0 -> 0 : version + 1);       /* A sign-out is a Delete. */
		knows[who] = version;
#else
		fresh[0] = false; fresh[1] = false; fresh[2] = false; fresh[LAST] = false;
		fresh[SIGN_IN] = false; fresh[SIGN_OUT] = false;
		fresh[who] = true;
#endif
		always()
	}
}

/* ---- what the mutants change ------------------------------------------------------------- */

#if defined(FAULTLESS) && !defined(M_LEASE_IGNORED)
#define lease_is_over (seen.lease == NOBODY)
#else
#define lease_is_over true
#endif

#if defined(M_TAKEOVER_FORGETS)
#define left_behind false
#elif defined(M_OWN_LEASE_TRUSTED)
#define left_behind (grant.lease != NOBODY && grant.lease != OWNER && !own_write_stands)
#else
#define left_behind (grant.lease != NOBODY && !own_write_stands)
#endif

#if defined(M_WRITE_ID_ONLY)
#define earlier_try_got_through own_write_stands
#else
#define earlier_try_got_through (seen.lineage == r[me].lineage && seen.generation > r[me].generation)
#endif

#if defined(M_FENCED_COMMIT)
#define still_to_be_stored (same_id && seen.lease == OWNER)
#elif defined(M_NO_COMMIT_OVER_NEEDS_LOGIN)
#define still_to_be_stored (same_id && !seen.needs_login)
#elif defined(M_LINEAGE_IGNORED)
#define still_to_be_stored (same_id || seen.lineage != 0 && seen.lineage != r[me].lineage)
#elif defined(M_TOMBSTONE_IGNORED)
#define still_to_be_stored (same_id || seen.lineage == 0)
#else
#define still_to_be_stored same_id
#endif

#ifdef M_SIGN_IN_PUTS_AGAIN
#define sign_in_is_in_doubt false
#else
#define sign_in_is_in_doubt (in_doubt && (before == 0 || seen.lineage != before))
#endif

#ifdef M_GIVE_UP_AT_ONCE
#define nobody_else_asked true
#else
#define nobody_else_asked (seen.lease == OWNER && !seen.unknown)
#endif

/* ---- a rotation ------------------------------------------------------------------------------------------------- */

#define same_id (seen.lineage == r[me].lineage && seen.generation == r[me].generation)
#ifdef WRITE_ID_NOT_COMPARED
#define own_write_stands false
#else
#define own_write_stands (wrote[me] && current(me))
#endif
#define lags    (seen.lineage == r[me].lineage && seen.generation < r[me].generation)

inline begin() {
	tries--;
	r[me].lineage = grant.lineage; r[me].generation = grant.generation
}

inline rest() {
	r[me].lineage = 0; r[me].generation = 0;
	r[me].in_flight = false; r[me].holds = false; r[me].overrun = false;
	maybe_carried_out = false;
	wrote[me] = false;              /* a write id is remembered for as long as its rotation */
	forget_version(me)
}

inline crash() {
	d_step {
		if
		:: r[me].holds && good(r[me].lineage, r[me].generation + 1) && !stored(r[me].lineage) ->
			github[r[me].lineage].lost = true
		:: r[me].in_flight && good(r[me].lineage, r[me].generation) -> github[r[me].lineage].late = true
		:: else
		fi;
		if
		:: grant.lease == OWNER -> grant.lease = CRASHED
		:: else
		fi;
#ifdef LAG
		if
		:: earlier.lease == OWNER -> earlier.lease = CRASHED
		:: else
		fi;
		behind_own[me] = false;
#endif
		rest();
		printf("%d crash\n", me);
		always()
	}
}

inline mark() {
	next.lease = NOBODY; next.needs_login = true;
	put(me);
	if
	:: answer == ok -> goto OVER
	:: answer != ok -> forget_version(me); goto REFUSED
	:: answer == failed -> goto OVER
	fi
}

proctype Rotate(byte me) {
	byte tries = TRIES;
	bool maybe_carried_out;         /* GitHub may have rotated, but its answer was lost */

REST:	if
	:: atomic {
		me != LAST && refreshable && begun >= me ->
			begun = (begun == me -> me + 1 : begun);
			begin();
			goto READ
		}
	:: atomic {
		me != LAST && !refreshable && begun >= me ->
			begun = (begun == me -> me + 1 : begun);
			goto END
		}
	:: atomic {
		me == LAST && resting == WRITERS - 1 ->
			quiet = true;
			printf("all have come to rest\n");
			at_rest();
			if
			:: refreshable -> begin(); goto READ
			:: !refreshable -> goto END
			fi
		}
	fi;

/* READ and CLAIM: the lease is put on the version that was read, or another's end is adopted. */
READ:	atomic {
		get(me);
		if
		:: lags -> goto READ
		:: !same_id && !lags -> goto OVER
		:: same_id && seen.needs_login -> goto OVER
#ifdef M_CLAIM_BY_READING
		:: same_id && !seen.needs_login && own_write_stands -> goto ASK
#else
		:: same_id && !seen.needs_login && own_write_stands     /* CLAIM's answer was lost: again, to hear one */
#endif
		:: same_id && !seen.needs_login && !own_write_stands && !lease_is_over -> goto READ
		:: same_id && !seen.needs_login && !own_write_stands && lease_is_over
		fi;
	step(CLAIM)
		copy(next, grant);     /* If put takes effect, that is what was read. */
		next.lineage = r[me].lineage; next.generation = r[me].generation;
		next.lease = OWNER;
		next.unknown = next.unknown || left_behind;
		put(me);
		if
		:: answer == ok
		:: answer == conflict -> goto READ
		:: answer == failed -> goto READ
		:: answer == failed -> goto OVER
		fi
	}

/* ASK: the request leaves; then GitHub's answer. */
ASK:	atomic {
		if
		:: may_crash -> crash(); goto OVER
		:: true
		fi;
		I1_one_token_request_unless_a_lease_ran_out = !(asks_too(0) || asks_too(1) || asks_too(2) || asks_too(LAST));
		assert(I1_one_token_request_unless_a_lease_ran_out);
		r[me].in_flight = true;
		printf("%d ask    with lineage %d generation %d\n", me, r[me].lineage, r[me].generation)
#ifdef I6
		; requests++
#endif
	}
	atomic {
		if
		:: may_crash -> crash(); goto OVER
		:: good(r[me].lineage, r[me].generation) ->
			rotate(r[me].lineage); r[me].in_flight = false; r[me].holds = true;
			printf("%d ask    a new pair\n", me);
			goto COMMIT
		:: !good(r[me].lineage, r[me].generation) ->
			r[me].in_flight = false; forget_version(me);
			printf("%d ask    bad_refresh_token\n", me);
			goto REFUSED
		:: may_fail && good(r[me].lineage, r[me].generation) ->
			rotate(r[me].lineage); github[r[me].lineage].lost = true;
			r[me].in_flight = false; maybe_carried_out = true;
			printf("%d ask    a new pair, and the answer is lost\n", me)
		:: may_fail ->
			github[r[me].lineage].late = github[r[me].lineage].late || good(r[me].lineage, r[me].generation);
			r[me].in_flight = false; maybe_carried_out = true;
			printf("%d ask    a time-out; GitHub may still get to it\n", me)
		:: may_fail ->
			r[me].in_flight = false;
			printf("%d ask    403, 429 or a wrong client secret: not carried out\n", me)
		fi;
		forget_version(me);
		always()
	}
#ifdef M_ASK_TWICE
	if
	:: maybe_carried_out -> maybe_carried_out = false; goto ASK
	:: else
	fi;
#endif

/* FAILED: give the lease back, and say whether GitHub may have rotated. The back-off is time, so it is not here. */
FAILED:	atomic {
		if
		:: may_crash -> crash(); goto OVER
		:: true
		fi;
		get(me);
		if
		:: same_id && seen.lease == OWNER ->
			next.lease = NOBODY;
#ifdef M_UNKNOWN_NOT_STICKY
			next.unknown = maybe_carried_out;
#else
			next.unknown = next.unknown || maybe_carried_out;
#endif
			put(me);
			if
			:: answer == conflict -> goto FAILED
			:: else                 /* If it failed the lease is left, to be taken over. */
			fi
		:: else
		fi;
		goto OVER
	}

/* COMMIT: put the pair on the claim's version with no read before, and if that fails on whatever version LOOK finds. */
COMMIT:	atomic {
		if
		:: may_crash -> crash(); goto OVER
		:: true
		fi;
		copy(next, grant);
		next.lineage = r[me].lineage; next.generation = r[me].generation + 1;
		next.lease = NOBODY; next.unknown = false; next.needs_login = false;
		put(me);
		if
		:: answer == ok -> goto RENEWED
		:: else
		fi
	}
LOOK:	atomic {                        /* A store that is away only makes this wait; the pair is served from memory. */
		if
		:: may_crash -> crash(); goto OVER
		:: true
		fi;
		get(me);
		if
		:: earlier_try_got_through -> goto RENEWED
		:: still_to_be_stored -> goto COMMIT
		:: lags -> goto LOOK
		:: else
		fi;
		forget_version(me)
	}
GIVE_WAY: atomic {
		if
		:: may_crash -> crash(); goto OVER
		:: true
		fi;
		I2_newest_pair_is_kept = grant.lineage != r[me].lineage || !good(r[me].lineage, r[me].generation + 1);
		assert(I2_newest_pair_is_kept);
		revoke(r[me].lineage, r[me].generation + 1)
	}
RENEWED: atomic {
		rest();
		always();
		goto OVER
	}

/* REFUSED: bad_refresh_token. Somebody else may have been first. */
REFUSED: atomic {
		if
		:: may_crash -> crash(); goto OVER
		:: true
		fi;
		get(me);
		if
		:: lags -> forget_version(me); goto REFUSED
		:: !same_id && !lags -> goto OVER               /* adopt it */
		:: same_id && seen.needs_login -> goto OVER
		:: same_id && !seen.needs_login && nobody_else_asked -> mark()
		:: same_id && !seen.needs_login && !(nobody_else_asked)
		fi;
		forget_version(me)
	}
GRACE:	atomic {
#ifdef IN_TIME                          /* who got the pair stores it within the grace */
		!(rival(0) || rival(1) || rival(2) || rival(LAST));
#endif
		if
		:: may_crash -> crash(); goto OVER
		:: true
		fi;
		get(me);
		if
		:: lags -> forget_version(me); goto GRACE
		:: !same_id && !lags -> goto OVER
		:: same_id && seen.needs_login -> goto OVER
		:: same_id && !seen.needs_login                 /* Whoever holds the lease now: it asks with a dead token, too. */
		fi;
		mark()
	}

OVER:	atomic {
		rest();
		if
		:: tries > 0 -> goto REST
		:: else
		fi
	}
END:	atomic {
		tries = 0;
		resting++;
		if
		:: grant.lease == OWNER -> grant.lease = CRASHED        /* Nobody is there to tell the two apart. */
		:: else
		fi;
		if
		:: me == LAST ->
			at_rest();
			last_rotation_mends_or_tells = grant.lineage == 0 || grant.needs_login ||
				good(grant.lineage, grant.generation);
			assert(last_rotation_mends_or_tells)
		:: else
		fi
	}
}

/* ---- the user --------------------------------------------------------------------------------------------------- */

/* The second sign-in, over whatever stands there. */
proctype SignIn() {
	byte replaced = NONE;           /* generation of the first sign-in's token that its put replaces */
	byte before = NONE;             /* lineage that it tried to replace by a put of which nobody knows whether it took effect */

#ifdef NO_SIGN_IN
	goto END;
#endif
PUT:	atomic {
		if
		:: may_crash -> goto CRASH
		:: true
		fi;
		github[2].issued = true;                /* The code was exchanged. */
		in_doubt = before != NONE && !current(SIGN_IN);
		get(SIGN_IN);
		if
		:: seen.lineage == 2 -> goto REVOKE     /* An earlier try got through, and others may have built on it. */
		:: seen.lineage != 2 && sign_in_is_in_doubt ->
			confirm(SIGN_IN);
			if
			:: answer == ok -> replaced = (seen.lineage == 1 -> NONE : replaced); goto GIVE_UP
			:: else -> forget_version(SIGN_IN); goto PUT
			fi
		:: else
		fi;
		replaced = (seen.lineage == 1 && newer(seen.generation, replaced) -> seen.generation : replaced);
		next.lineage = 2; next.generation = 0; next.lease = NOBODY;
		next.unknown = false; next.needs_login = false;
		put(SIGN_IN);
		if
		:: answer == ok -> goto REVOKE
		:: answer == conflict -> goto PUT
		:: answer == failed -> before = seen.lineage; goto PUT
		fi
	}
GIVE_UP: atomic {                       /* It may have been stored and replaced since. The user is told to try again. */
		if
		:: may_crash -> goto CRASH
		:: true
		fi;
		revoke(2, 0)
	}
REVOKE:	atomic {
		if
		:: may_crash -> goto CRASH
		:: true
		fi;
		if
		:: replaced != NONE -> revoke(1, replaced)
		:: else
		fi;
		goto END
	}
CRASH:	atomic {
		if
		:: signed_in && replaced != NONE && good(1, replaced) -> github[1].lost = true
		:: !signed_in && github[2].issued -> github[2].lost = true
		:: else
		fi
	}
END:	atomic { forget_version(SIGN_IN); replaced = NONE; before = NONE; resting++ }
}

/* A sign-out of the first sign-in's login, or of all. */
proctype SignOut() {
	bool everywhere;
	byte removed[3] = NONE;         /* generation of the token that its put removes, by lineage */

#ifdef NO_SIGN_OUT
	goto END;
#endif
	if
	:: everywhere = true
	:: true
	fi;
PUT:	atomic {
		if
		:: may_crash -> goto CRASH
		:: true
		fi;
		get(SIGN_OUT);
		if
		:: seen.lineage == 0 || (!everywhere && !seen.login1) ->
			confirm(SIGN_OUT);
			if
			:: answer == ok -> goto REVOKE
			:: else -> forget_version(SIGN_OUT); goto PUT
			fi
		:: else
		fi;
		next.login1 = false;
		if
		:: !everywhere && seen.lineage == 2     /* the second login is left, and lives on the token */
		:: else ->
#ifdef M_REVOKES_LAST_READ
			removed[1] = NONE; removed[2] = NONE;
#endif
			removed[seen.lineage] = (newer(seen.generation, removed[seen.lineage]) -> seen.generation :
				removed[seen.lineage]);
			next.lineage = 0; next.generation = 0; next.lease = NOBODY;
			next.unknown = false; next.needs_login = false
		fi;
		put(SIGN_OUT);
		if
		:: answer == ok -> goto REVOKE
		:: else -> forget_version(SIGN_OUT); goto PUT
		fi
	}
REVOKE:	atomic {
		forget_version(SIGN_OUT);
		if
		:: may_crash -> goto CRASH
		:: true
		fi;
		if
		:: removed[1] != NONE -> revoke(1, removed[1])
		:: else
		fi;
		if
		:: removed[2] != NONE -> revoke(2, removed[2])
		:: else
		fi;
		goto END
	}
CRASH:	atomic {
		if
		:: removed[1] != NONE && grant.lineage != 1 && good(1, removed[1]) -> github[1].lost = true
		:: else
		fi;
		if
		:: removed[2] != NONE && grant.lineage != 2 && good(2, removed[2]) -> github[2].lost = true
		:: else
		fi
	}
END:	atomic {
		everywhere = false; removed[1] = NONE; removed[2] = NONE; resting++
	}
}

/* GitHub carries out a request after whoever sent it has given up on it, or crashed. */
proctype Late() {
end:	do
	:: atomic { github[1].late -> rotate(1); github[1].lost = true; printf("  late   lineage 1\n") }
	:: atomic { github[2].late -> rotate(2); github[2].lost = true; printf("  late   lineage 2\n") }
	od
}

#ifdef USER_REVOKES
/* The user withdraws the app's authorization at GitHub, which kills every token. */
proctype Revoke() {
end:	atomic {
		!quiet ->
			github[1].dead = true; github[1].revoked = true; github[1].late = false;
			if
			:: github[2].issued -> github[2].dead = true; github[2].revoked = true; github[2].late = false
			:: else
			fi;
			printf("  revoke everything\n")
	}
}
#endif

init {
	atomic {
		grant.lineage = 1; grant.login1 = true;
		github[1].issued = true;
		run Rotate(0); run Rotate(1); run Rotate(LAST);
#if REPLICAS > 2
		run Rotate(2);
#endif
#ifdef USER_REVOKES
		run Revoke();
#endif
		run SignIn(); run SignOut(); run Late()
	}
}
