package middleware

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/oauth"
)

const (
	// gateTimeout bounds all gates together, for somebody who waits at sign-in, and shorter for a request of somebody who is in.
	gateTimeout      = 10 * time.Second
	gateTimeoutAgain = 5 * time.Second

	// After a no, who was just let in or has signed on need not wait long; without a pause, who reloads the page would use
	// up their rate limit. Gates that can't answer are left alone for longer.
	pauseAfterNo      = 10 * time.Second
	pauseAfterFailure = 30 * time.Second

	// maxAdmitted bounds how many users' answers are kept, at some 200 bytes each.
	maxAdmitted = 100_000

	// gateShards is how many gatekeepers the users are spread over, so that they do not wait for each other.
	gateShards = 64
)

// gatekeepers each know some of the users.
type gatekeepers [gateShards]gatekeeper

func (k *gatekeepers) of(userID int64) *gatekeeper { return &k[uint64(userID)%gateShards] } //nolint:gosec // Any will do.

func (k *gatekeepers) admit(ctx context.Context, user oauth.User, client *http.Client) error {
	return k.of(user.ID).admit(ctx, user, client)
}

// gatekeeper asks the gates, and remembers what they said of users who are signed in. Without gates it lets everybody in.
type gatekeeper struct {
	gates           []Gate
	interval, grace time.Duration
	host            oauth.Host
	log             *slog.Logger
	end             func(ctx context.Context, userID int64) error // Ends a user's logins.

	mu     sync.Mutex
	byUser map[int64]*admitted
}

// admitted is what is known of a user. An answer may be out of date from the moment on when its ask began.
type admitted struct {
	yes    time.Time     // When the last yes was asked for; zero if there was none, or a no since.
	token  grant.TokenID // The token that it was said of; zero takes the next one for it.
	failed time.Time     // When the first ask began that had no answer, since the last that had one.

	err  error         // The last answer: nil is a yes, or none yet.
	no   time.Time     // When the ask of it began, if it is a no;
	rest time.Time     // until then err stands unasked,
	of   grant.TokenID // for this token; zero is any.

	asking chan struct{} // Closed when the ask that is under way is over; nil if none is.
}

// hasNewer says whether there is an answer to an ask that began later.
func (e *admitted) hasNewer(began time.Time) bool { return began.Before(e.yes) || began.Before(e.no) }

// admit asks about somebody who signs in, whose token no grant has yet. Only a yes lets them in.
func (k *gatekeeper) admit(ctx context.Context, user oauth.User, client *http.Client) error {
	began := time.Now()
	err := k.ask(ctx, gateTimeout, Identity{User: user, HTTPClient: client, Host: k.host})
	if r, ok := errors.AsType[*Refusal](err); ok && r.kind() == KindSSO {
		err = r.withoutRequest()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	r, _ := errors.AsType[*Refusal](err)
	switch e := k.entry(user.ID); {
	case e == nil:
	case e.hasNewer(began): // The first request asks anew, if the token is another one.
	case err == nil:
		*e = admitted{yes: began, asking: e.asking}
	case r != nil && r.kind() == KindNotAllowed: // It is as true of the user's other browsers. The rest is of this token.
		*e = admitted{err: err, no: began, rest: time.Now().Add(pauseAfterNo), asking: e.asking}
	}
	return err
}

// check is for a request of a user who is signed in. It returns nil, a *Refusal, a *grant.SignInError or a *gateError.
//
// Requests of one user share an ask. While nobody answers, only the one that asks waits for it.
func (k *gatekeeper) check(ctx context.Context, id Identity, token grant.TokenID) error {
	if len(k.gates) == 0 {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for {
		now, e := time.Now(), k.entry(id.User.ID)
		if e == nil { // There is no room to remember them, and so no grace.
			k.mu.Unlock()
			defer k.mu.Lock() // Also after a panic: to unlock twice would end the process.
			return k.ask(ctx, gateTimeoutAgain, id)
		}
		if e.token == (grant.TokenID{}) {
			e.token = token
		}
		switch {
		case e.err == nil && e.token == token && !e.yes.IsZero() && now.Sub(e.yes) < k.interval:
			return nil
		case now.Before(e.rest) && (e.of == (grant.TokenID{}) || e.of == token):
			return k.verdict(e, now)
		case e.asking == nil:
			return k.askAgain(ctx, id, token, e)
		case !e.failed.IsZero():
			return k.verdict(e, now)
		}
		asking := e.asking
		k.mu.Unlock()
		var gone error
		select {
		case <-asking:
		case <-ctx.Done():
			gone = &gateError{err: ctx.Err()}
		}
		k.mu.Lock()
		if gone != nil {
			return gone
		}
	}
}

// verdict is what stands while the gates are not asked. k.mu is held.
func (k *gatekeeper) verdict(e *admitted, now time.Time) error {
	if _, unknown := errors.AsType[*gateError](e.err); !unknown {
		return e.err
	}
	since := e.yes
	if since.IsZero() {
		since = e.failed
	}
	if now.Sub(since) < k.grace {
		return nil
	}
	return e.err
}

// askAgain asks, remembers the answer, and lets go of those who wait for it. k.mu is held, but not while it asks.
func (k *gatekeeper) askAgain(ctx context.Context, id Identity, token grant.TokenID, e *admitted) error {
	began, asking := time.Now(), make(chan struct{})
	e.asking = asking
	var answer error = &gateError{err: errors.New("a gate panicked")} // Unless it returns.
	defer func() {
		e.asking = nil
		close(asking)
	}()
	func() {
		k.mu.Unlock()
		defer func() {
			k.mu.Lock()
			k.note(e, answer, began, token)
		}()
		// The request's end is not the ask's: others wait for it, and it would pass for an outage.
		answer = k.ask(context.WithoutCancel(ctx), gateTimeoutAgain, id)
	}()
	if r, refused := errors.AsType[*Refusal](e.err); refused && r.kind() == KindNotAllowed && isRefusal(answer) {
		k.mu.Unlock()
		defer k.mu.Lock()
		k.endLogins(ctx, id.User.ID)
		return r
	}
	return k.verdict(e, time.Now())
}

// note remembers an answer. k.mu is held.
func (k *gatekeeper) note(e *admitted, answer error, began time.Time, token grant.TokenID) {
	now := time.Now()
	_, unknown := errors.AsType[*gateError](answer)
	switch {
	case e.hasNewer(began): // A sign-in meanwhile had it.
	case answer == nil:
		*e = admitted{yes: began, token: token, asking: e.asking}
	case !unknown:
		*e = admitted{err: answer, no: began, rest: now.Add(pauseAfterNo), of: token, asking: e.asking}
	case isRefusal(e.err), e.err != nil && e.failed.IsZero() && e.of == token:
		// A no stands until there is a yes, and a dead token until there is another one: an outage makes no grace of them.
		e.rest, e.of = now.Add(pauseAfterNo), token
	default:
		if e.failed.IsZero() {
			e.failed = began
		}
		e.err, e.rest, e.of = answer, now.Add(pauseAfterFailure), grant.TokenID{}
	}
}

// ask asks all gates. One no is a no, whether or not the others can be asked.
func (k *gatekeeper) ask(ctx context.Context, most time.Duration, id Identity) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	var unknown error
	for _, g := range k.gates {
		err := g.Ask(ctx, id)
		if err == nil {
			continue
		}
		attrs := []slog.Attr{slog.Int64("user_id", id.User.ID), slog.String("gate", gateName(g)), slog.Any("error", err)}
		if r, refused := errors.AsType[*Refusal](err); refused {
			level := slog.LevelInfo
			if r.kind() == KindNotApproved {
				level = slog.LevelWarn // The app's owner has something to do.
			}
			k.log.LogAttrs(ctx, level, "a gate refused the user", attrs...)
			return r
		}
		k.log.LogAttrs(ctx, slog.LevelWarn, "a gate could not be asked about the user", attrs...)
		unknown = errors.Join(unknown, err)
	}
	if unknown == nil {
		return nil
	}
	if dead, ok := errors.AsType[*grant.SignInError](unknown); ok {
		return dead // That is no outage: whoever took the app's access away would have grace by it.
	}
	return &gateError{unknown, pauseAfterFailure}
}

func (k *gatekeeper) endLogins(ctx context.Context, userID int64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), routeTimeout)
	defer cancel()
	if err := k.end(ctx, userID); err != nil { // They are refused all the same.
		k.log.LogAttrs(ctx, slog.LevelWarn, "the logins of a user who was refused could not be ended", slog.Int64("user_id", userID), slog.Any("error", err))
	}
}

// entry is what is known of a user, or nil where there is no room for them. k.mu is held.
func (k *gatekeeper) entry(userID int64) *admitted {
	if e, ok := k.byUser[userID]; ok {
		return e
	}
	if len(k.byUser) >= maxAdmitted/gateShards && !k.makeRoom() {
		return nil
	}
	if k.byUser == nil {
		k.byUser = make(map[int64]*admitted)
	}
	e := new(admitted)
	k.byUser[userID] = e
	return e
}

// makeRoom forgets somebody of whom a yes is kept, which costs an ask. A no, or since when there is no answer, is not
// forgotten for a day: it would begin grace anew.
func (k *gatekeeper) makeRoom() bool {
	tries := 0
	for userID, e := range k.byUser {
		if e.asking == nil && (e.err == nil || time.Since(e.rest) > 24*time.Hour) {
			delete(k.byUser, userID)
			return true
		}
		if tries++; tries == 16 {
			return false
		}
	}
	return false
}

func isRefusal(err error) bool {
	_, ok := errors.AsType[*Refusal](err)
	return ok
}

func gateName(g Gate) string {
	if s, ok := g.(fmt.Stringer); ok {
		return s.String()
	}
	return fmt.Sprintf("%T", g)
}
