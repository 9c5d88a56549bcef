package grant

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ghlogin/ghlogin/oauth"
)

const (
	// secondLook is how long after a first look, by which the grant held, GitHub is asked once more: its word may be here
	// before its token check knows. It also bounds how often somebody who repeats the word can have GitHub asked.
	secondLook = 20 * time.Second

	// maxNoted bounds the users who are looked into, or wait for it.
	maxNoted = 5000

	// maxLooks is how many of them are asked about at a time.
	maxLooks = 4

	// longestRest bounds the pause between two tries to ask.
	longestRest = time.Hour
)

// NoteRevoked takes word that a user has withdrawn the app's authorization at GitHub, as a webhook brings it. It believes
// none of it: GitHub is asked, and if the stored token is dead and can't be refreshed, the grant is forgotten with all
// its logins, even if the manager keeps tokens. A user who has signed in since stays signed in, so word that comes late or
// twice does no harm.
//
// It returns nil once GitHub has been asked. Until then, as while GitHub or the store is away, the asking goes on behind the
// caller's back for up to six hours; when ctx ends before, the error matches [oauth.ErrTryLater] and wraps ctx's. Any
// other error means that nobody goes on asking: [ErrClosed], too many users wait already, or a [*FormatError] or what else was
// in the way in the end. [Manager.Close] has GitHub asked one last time.
func (m *Manager) NoteRevoked(ctx context.Context, userID int64) error {
	told, first, ok := m.noted.add(userID)
	if !ok {
		return fmt.Errorf("grant: word of %d withdrawn grants waits to be looked into: %w", maxNoted, oauth.ErrTryLater)
	}
	if first {
		// Six hours is what outages of the store are given elsewhere, too.
		work, done, open := m.work.detach(ctx, outageTimeout)
		if !open {
			m.noted.drop(userID).answer(ErrClosed)
			return ErrClosed
		}
		go func() {
			defer done()
			m.lookInto(work, userID)
		}()
	}
	select {
	case <-told.answered:
		return told.err
	case <-ctx.Done():
		return fmt.Errorf("grant: GitHub or the store is slow to answer about user %d, and goes on being asked: %w (%w)", userID, ctx.Err(), oauth.ErrTryLater)
	}
}

// lookInto asks about a user until GitHub has answered, and once more after a while if the grant held.
func (m *Manager) lookInto(ctx context.Context, userID int64) {
	var waiting []*word
	giveUp := func(err error) {
		for _, w := range append(waiting, m.noted.drop(userID)) {
			w.answer(err)
		}
	}
	answered := false // Since the last word.
	var last error    // Of the tries.
	for try, closing := 0, false; ; {
		if w := m.noted.begin(userID); w != nil {
			waiting, answered = append(waiting, w), false
		}
		s, err := m.look(ctx, userID)
		_, unreadable := errors.AsType[*FormatError](err)
		rest := secondLook
		switch {
		case err == nil:
			for _, w := range waiting {
				w.answer(nil)
			}
			if (s != alive || answered) && m.noted.end(userID) {
				return
			}
			waiting, answered, try = nil, true, 0
		case closing || unreadable || ctx.Err() != nil || errors.Is(err, ErrClosed):
			if ctx.Err() != nil && last != nil {
				err = last // It says more than that the time is over.
			}
			m.log.LogAttrs(ctx, slog.LevelWarn, "word that a user withdrew their grant could not be looked into; the next use of their token will tell",
				slog.Int64("user_id", userID), slog.Any("error", err))
			giveUp(fmt.Errorf("grant: GitHub was not asked about user %d: %w", userID, err))
			return
		default:
			rest = min(retryIn(err, try), longestRest)
			try, last = try+1, err
		}
		if closing {
			giveUp(ErrClosed)
			return
		}
		closing = !m.work.linger(rest)
	}
}

// look is verify, when its turn has come.
func (m *Manager) look(ctx context.Context, userID int64) (finding, error) {
	select {
	case m.looking <- struct{}{}:
	case <-ctx.Done():
		return unsure, ctx.Err()
	}
	defer func() { <-m.looking }()
	return m.verify(ctx, userID, true)
}

// retryIn is how long to wait after a try that failed: longer with each, by n, and no less than GitHub asks for.
func retryIn(err error, n int) time.Duration {
	d := backoff(n, 2*time.Second, maxBackoff)
	if e, ok := errors.AsType[*oauth.Error](err); ok {
		d = max(d, e.RetryAfter)
	}
	if e, ok := errors.AsType[*BackoffError](err); ok {
		d = max(d, e.RetryAfter)
	}
	return d
}

// word is what came of a user since the last look began, and those who wait for the next one.
type word struct {
	answered chan struct{}
	err      error // What was in the way; set before answered is closed.
}

// answer lets go of those who wait. Of no word it does nothing.
func (w *word) answer(err error) {
	if w != nil {
		w.err = err
		close(w.answered)
	}
}

// noted holds the users about whom word has come. A look at a user serves all word that came before it began. The zero
// value is ready to use.
type noted struct {
	mu     sync.Mutex
	byUser map[int64]*word // Nil where no word came since the last look began.
}

// add takes word of a user. first says that nobody looks into it yet.
func (n *noted) add(userID int64) (w *word, first, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	w, under := n.byUser[userID]
	if w != nil {
		return w, false, true
	}
	if !under && len(n.byUser) >= maxNoted {
		return nil, false, false
	}
	if n.byUser == nil {
		n.byUser = make(map[int64]*word)
	}
	w = &word{answered: make(chan struct{})}
	n.byUser[userID] = w
	return w, !under, true
}

// begin returns what to answer after the look that now begins, if anybody waits for it.
func (n *noted) begin(userID int64) *word {
	n.mu.Lock()
	defer n.mu.Unlock()
	w := n.byUser[userID]
	n.byUser[userID] = nil
	return w
}

// end ends the looking, unless more word has come.
func (n *noted) end(userID int64) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.byUser[userID] != nil {
		return false
	}
	delete(n.byUser, userID)
	return true
}

// drop ends the looking, and returns the word that it leaves unanswered.
func (n *noted) drop(userID int64) *word {
	n.mu.Lock()
	defer n.mu.Unlock()
	w := n.byUser[userID]
	delete(n.byUser, userID)
	return w
}
