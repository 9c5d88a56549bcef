package middleware

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ghlogin/ghlogin/grant"
)

const mostOfOne = maxAdmitted / gateShards

func tokenID(name string) grant.TokenID { return grant.TokenID{Lineage: name} }

func fullKeeper(kept func() *admitted, gate GateFunc) *gatekeeper {
	k := &gatekeeper{
		gates: []Gate{gate}, interval: DefaultGateInterval, grace: DefaultGateGrace, log: slog.New(slog.DiscardHandler),
		end: func(context.Context, int64) error { return nil }, byUser: make(map[int64]*admitted),
	}
	for n := range int64(mostOfOne) {
		k.byUser[n+1] = kept()
	}
	return k
}

// What is kept is bounded. A yes can be forgotten; who was refused, or has grace, can't have it anew by being forgotten.
func TestMemoryOfGatesIsBoundedAndForgetsNoRefusal(t *testing.T) {
	t.Parallel()
	id := Identity{User: User{ID: mostOfOne + 1}}
	yes := func(context.Context, Identity) error { return nil }
	away := func(context.Context, Identity) error { return errors.New("away") }

	k := fullKeeper(func() *admitted { return &admitted{yes: time.Now(), token: tokenID("t")} }, yes)
	if err := k.check(t.Context(), id, tokenID("t")); err != nil || len(k.byUser) != mostOfOne || k.byUser[id.User.ID] == nil {
		t.Errorf("among many who are in: %v, %d kept", err, len(k.byUser))
	}
	for name, err := range map[string]error{"refused": &Refusal{}, "in an outage": &gateError{err: errors.New("away")}} {
		kept := func() *admitted { return &admitted{err: err, rest: time.Now()} }
		k = fullKeeper(kept, yes)
		if err := k.check(t.Context(), id, tokenID("t")); err != nil || len(k.byUser) != mostOfOne {
			t.Errorf("among many %s, one more whom the gate lets in: %v, %d kept", name, err, len(k.byUser))
		}
		k = fullKeeper(kept, away)
		for range 2 {
			if err := k.check(t.Context(), id, tokenID("t")); err == nil || len(k.byUser) != mostOfOne {
				t.Errorf("among many %s, one more of whom nobody knows was let in; %d kept", name, len(k.byUser))
			}
		}
	}
}

// An ask that was long on its way does not undo what a sign-in meanwhile was told, nor does it end that.
func TestLateNoDoesNotUndoANewerSignIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &gatekeeper{interval: DefaultGateInterval, grace: DefaultGateGrace, log: slog.New(slog.DiscardHandler)}
		signedIn, ended := false, false
		k.end = func(context.Context, int64) error { ended = true; return nil }
		k.gates = []Gate{GateFunc(func(ctx context.Context, id Identity) error {
			if signedIn {
				return nil
			}
			signedIn = true
			time.Sleep(time.Second)
			if err := k.admit(ctx, id.User, nil); err != nil {
				t.Errorf("admit = %v", err)
			}
			return &Refusal{}
		})}
		if err := k.check(t.Context(), Identity{User: User{ID: 1}}, tokenID("t")); err != nil || ended {
			t.Errorf("check = %v, and the new login was ended: %t", err, ended)
		}
	})
}

// Whoever is refused at a sign-in is not let in again by an ask that began before they left and was long on its way.
func TestLateYesDoesNotUndoANewerNo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &gatekeeper{interval: DefaultGateInterval, grace: DefaultGateGrace, log: slog.New(slog.DiscardHandler)}
		k.end = func(context.Context, int64) error { return nil }
		id, left := Identity{User: User{ID: 1}}, false
		k.gates = []Gate{GateFunc(func(ctx context.Context, id Identity) error {
			if left {
				return &Refusal{}
			}
			left = true
			time.Sleep(time.Second)
			if err := k.admit(ctx, id.User, nil); !isRefusal(err) {
				t.Errorf("admit = %v", err)
			}
			return nil
		})}
		for _, when := range []string{"that was long on its way", "after it"} {
			if err := k.check(t.Context(), id, tokenID("t")); !isRefusal(err) {
				t.Errorf("the request %s: %v", when, err)
			}
		}
	})
}

// The same the other way round: what a sign-in was told before is not what its first request is let in by.
func TestSignInThatWasLongOnItsWayDoesNotUndoANewerNo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &gatekeeper{interval: DefaultGateInterval, grace: DefaultGateGrace, log: slog.New(slog.DiscardHandler)}
		k.end = func(context.Context, int64) error { return nil }
		id, left := Identity{User: User{ID: 1}}, false
		k.gates = []Gate{GateFunc(func(ctx context.Context, id Identity) error {
			if left {
				return &Refusal{}
			}
			left = true
			time.Sleep(time.Second)
			if err := k.check(ctx, id, tokenID("old")); !isRefusal(err) {
				t.Errorf("check = %v", err)
			}
			return nil
		})}
		if err := k.admit(t.Context(), id.User, nil); err != nil {
			t.Errorf("admit = %v", err)
		}
		if err := k.check(t.Context(), id, tokenID("new")); !isRefusal(err) {
			t.Errorf("the first request = %v", err)
		}
	})
}

// Where nobody can be remembered any more, a gate of the app's own that panics costs its request, and not the process.
func TestGateThatPanicsWithoutRoomToRememberEndsItsRequestAlone(t *testing.T) {
	t.Parallel()
	panics := true
	k := fullKeeper(func() *admitted { return &admitted{err: &Refusal{}, rest: time.Now()} }, func(context.Context, Identity) error {
		if panics {
			panic("a bug")
		}
		return nil
	})
	id := Identity{User: User{ID: mostOfOne + 1}}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = k.check(t.Context(), id, tokenID("t"))
	}()
	panics = false
	if err := k.check(t.Context(), id, tokenID("t")); err != nil {
		t.Errorf("the next request = %v", err)
	}
}

// A dead token's answer stands for that token alone: whoever signed in anew elsewhere is not sent round in circles.
func TestDeadTokenIsNoNoForTheNextOne(t *testing.T) {
	t.Parallel()
	answer := error(&grant.SignInError{Reason: grant.ReasonRevoked})
	k := &gatekeeper{
		gates:    []Gate{GateFunc(func(context.Context, Identity) error { return answer })},
		interval: DefaultGateInterval, grace: DefaultGateGrace, log: slog.New(slog.DiscardHandler),
	}
	id := Identity{User: User{ID: 1}}
	var dead *grant.SignInError
	if err := k.check(t.Context(), id, tokenID("old")); !errors.As(err, &dead) {
		t.Fatalf("check = %v", err)
	}
	answer = errors.New("away")
	k.byUser[1].rest = time.Time{}
	if err := k.check(t.Context(), id, tokenID("old")); !errors.As(err, &dead) {
		t.Errorf("the dead token in an outage = %v", err)
	}
	if err := k.check(t.Context(), id, tokenID("new")); err != nil {
		t.Errorf("the new token in an outage = %v, want grace", err)
	}
}

// Whoever signed on and in again, on another replica, does not meet the page of before.
func TestNoIsForgottenWithTheTokenItWasSaidOf(t *testing.T) {
	t.Parallel()
	answer := error(&Refusal{Kind: KindSSO})
	k := &gatekeeper{
		gates:    []Gate{GateFunc(func(context.Context, Identity) error { return answer })},
		interval: DefaultGateInterval, grace: DefaultGateGrace, log: slog.New(slog.DiscardHandler),
	}
	id := Identity{User: User{ID: 1}}
	if err := k.check(t.Context(), id, tokenID("old")); !isRefusal(err) {
		t.Fatalf("check = %v", err)
	}
	answer = nil
	if err := k.check(t.Context(), id, tokenID("old")); !isRefusal(err) {
		t.Errorf("the same token again, at once = %v", err)
	}
	if err := k.check(t.Context(), id, tokenID("new")); err != nil {
		t.Errorf("the new token = %v", err)
	}
}

// What a new token can't show says nothing of one that a user's other browser has; that the user may not come in does.
func TestRefusalOfOneTokenIsNoneOfAnother(t *testing.T) {
	t.Parallel()
	for kind, stays := range map[Kind]bool{KindNotAllowed: false, KindHidden: true, KindSSO: true, KindNotApproved: true} {
		synctest.Test(t, func(t *testing.T) {
			var answer error
			k := &gatekeeper{interval: DefaultGateInterval, grace: DefaultGateGrace, log: slog.New(slog.DiscardHandler)}
			k.gates = []Gate{GateFunc(func(context.Context, Identity) error { return answer })}
			k.end = func(context.Context, int64) error { return nil }
			id := Identity{User: User{ID: 1}}
			if err := k.check(t.Context(), id, tokenID("first")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			answer = &Refusal{Kind: kind}
			if err := k.admit(t.Context(), id.User, nil); err == nil {
				t.Error("the second sign-in is let in")
			}
			if err := k.check(t.Context(), id, tokenID("first")); (err == nil) != stays {
				t.Errorf("%s: the first browser's next request: %v", kind, err)
			}
		})
	}
}
