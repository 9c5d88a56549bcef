package grant

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store"
)

const (
	// defaultPace is the time between two questions of [Manager.VerifyAll]: 1,800 an hour, of the 5,000 calls in its own
	// name that GitHub allows an app (GitHub docs, "Rate limits for the REST API"), so that sign-ins and sign-outs have theirs.
	defaultPace = 2 * time.Second

	// verifyTriesPerUser is how often one user is asked about when there is no answer.
	verifyTriesPerUser = 3

	// unansweredAtMost is how many users in a row may go unanswered before VerifyAll gives up.
	unansweredAtMost = 5
)

// Verified counts what [Manager.VerifyAll] found, in users.
type Verified struct {
	Alive     int // GitHub takes their token.
	Forgotten int // GitHub no longer does, so they are signed out and forgotten.
	Unsure    int // Their token ran out, or was lost. Its next use will tell.
	Failed    int // Neither GitHub nor the store could tell. They stay as they are.
}

// VerifyAll asks GitHub about the token of every user in the store, with its token check, and forgets the grants whose
// token is dead: it is how an OAuth App hears of users who withdrew their authorization, for GitHub sends such an app
// no webhook ([Manager.NoteRevoked]). Run it in one place, once a day say; two at a time cost calls and do no harm. The
// store must be a [store.Lister].
//
// every is the time between two questions; zero is 2 seconds. When GitHub limits the rate it waits for as long as GitHub
// asks, and tries again; no error ever counts against a user. An access token that has run out is not refreshed for this:
// that would use up the app's token requests, and keep the tokens of absent users alive for ever.
//
// It returns when all have been asked about, when ctx ends or the manager is closed, when GitHub refuses the app's
// credentials, or when five users in a row could not be asked about. The counts tell how far it got.
func (m *Manager) VerifyAll(ctx context.Context, every time.Duration) (v Verified, err error) {
	lister, ok := m.store.(store.Lister)
	switch {
	case !ok:
		return v, fmt.Errorf("grant: VerifyAll: the store (%T) can't list its keys: use one that is a store.Lister, as store/memory and store/vault are", m.store)
	case every < 0:
		return v, fmt.Errorf("grant: VerifyAll(%v): want zero or more", every)
	case every == 0:
		every = defaultPace
	}
	defer func() {
		m.log.LogAttrs(ctx, slog.LevelInfo, "the users' grants were verified",
			slog.Int("alive", v.Alive), slog.Int("forgotten", v.Forgotten), slog.Int("unsure", v.Unsure), slog.Int("failed", v.Failed), slog.Any("error", err))
	}()
	unanswered := 0
	for key, err := range lister.Keys(ctx) {
		if err != nil {
			return v, fmt.Errorf("grant: VerifyAll: the store could not list its keys to the end: %w", err)
		}
		userID, ok := m.userOf(key)
		if !ok {
			continue
		}
		s, err := m.verifyPatiently(ctx, userID, every)
		_, unreadable := errors.AsType[*FormatError](err)
		switch {
		case err == nil:
			unanswered = 0
			if v.count(s); s == absent || s == unsure {
				continue // GitHub was not asked.
			}
		case ctx.Err() != nil || errors.Is(err, ErrClosed) || errors.Is(err, oauth.ErrMisconfigured) && !unreadable:
			v.Failed++
			return v, fmt.Errorf("grant: VerifyAll ended early: %w", err)
		default:
			v.Failed++
			m.log.LogAttrs(ctx, slog.LevelWarn, "a user's grant could not be verified", slog.Int64("user_id", userID), slog.Any("error", err))
			if unanswered++; unanswered == unansweredAtMost {
				return v, fmt.Errorf("grant: VerifyAll: %d users in a row could not be asked about; run it again when that is mended: %w", unanswered, err)
			}
		}
		if ended := m.rest(ctx, every); ended != nil {
			return v, fmt.Errorf("grant: VerifyAll ended early: %w", ended)
		}
	}
	return v, nil
}

// verifyPatiently asks about one user, and again where there was no answer.
func (m *Manager) verifyPatiently(ctx context.Context, userID int64, every time.Duration) (finding, error) {
	for try := 1; ; try++ {
		if m.work.isClosing() {
			return unsure, ErrClosed
		}
		s, err := m.verify(ctx, userID, false)
		if err == nil || try == verifyTriesPerUser || !errors.Is(err, oauth.ErrTryLater) {
			return s, err
		}
		if ended := m.rest(ctx, max(every, retryIn(err, try))); ended != nil {
			return unsure, ended
		}
	}
}

// rest waits for d, and returns why it ended early.
func (m *Manager) rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-m.work.closing:
		return ErrClosed
	}
}

// userOf is the user whose grant stands under a key of this host.
func (m *Manager) userOf(key string) (int64, bool) {
	id, ok := strings.CutPrefix(key, m.host+"/")
	if !ok {
		return 0, false
	}
	userID, err := strconv.ParseInt(id, 10, 64)
	return userID, err == nil && userID > 0 && m.key(userID) == key
}

func (v *Verified) count(f finding) {
	switch f {
	case alive:
		v.Alive++
	case withdrawn:
		v.Forgotten++
	case unsure:
		v.Unsure++
	case absent, replaced:
	}
}
