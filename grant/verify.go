package grant

import (
	"context"
	"errors"
	"fmt"

	"github.com/ghlogin/ghlogin/oauth"
)

// finding is what came of asking GitHub whether a user's grant still holds.
type finding int

const (
	absent    finding = iota // There is no grant of this app to ask about.
	alive                    // GitHub takes its token.
	unsure                   // Its token ran out or was lost, which says nothing about the user.
	withdrawn                // GitHub no longer takes its token.
	replaced                 // Another token has come in its place.
)

// verifyLooks is how many tokens that come in each other's place are asked about.
const verifyLooks = 4

// verify asks GitHub whether a user's grant still holds, and forgets it with all its logins where it doesn't. What counts
// is the token that is stored at the moment of forgetting: one that a sign-in or a refresh brings meanwhile is asked about
// in its turn. An error says nothing about the user, and the grant stays.
//
// told says that GitHub has sent word of this user, who may have signed in again since. Then a token that ran out is
// refreshed to find out, and what can't be found out counts as withdrawn. Untold, a token that ran out is left
// alone: to refresh those of users who are away would use up the app's token requests, and keep them alive for ever.
func (m *Manager) verify(ctx context.Context, userID int64, told bool) (finding, error) {
	for range verifyLooks {
		r, _, err := m.get(ctx, userID)
		if r, err = m.withPair(userID, r, err); err != nil {
			return unsure, err
		}
		s, err := m.findOut(ctx, userID, r, told)
		if err != nil {
			return unsure, err
		}
		if s == withdrawn {
			s, err = m.forgetWithdrawn(ctx, userID, r)
		}
		if s != replaced || err != nil {
			return s, err
		}
	}
	return unsure, fmt.Errorf("grant: the token was replaced at each look: %w", oauth.ErrTryLater)
}

// findOut asks about the one token that r holds.
func (m *Manager) findOut(ctx context.Context, userID int64, r *record, told bool) (finding, error) {
	unknown := unsure
	if told {
		unknown = withdrawn
	}
	expired := r.Token.oauth().ExpiredAt(m.clock())
	switch {
	case r.Lineage == "" || r.ClientID != m.app.ClientID():
		return absent, nil
	case r.NeedsLogin == ReasonRevoked:
		return withdrawn, nil
	case r.NeedsLogin != "":
		return unknown, nil
	case expired && !told:
		return unsure, nil
	case !expired:
		if known, err := m.known(ctx, r); known || err != nil {
			return alive, err
		}
	}
	if !r.Token.refreshable(m.clock()) {
		if expired {
			return unknown, nil
		}
		return withdrawn, nil
	}

	// The access token dies with each refresh, too, perhaps in one that is under way elsewhere or whose pair was lost. So
	// the refresh token decides, by the one way there is to use it.
	next, err := m.refresh(ctx, userID, r.id())
	switch {
	case err != nil:
		return unsure, err
	case next.id() != r.id():
		return replaced, nil
	case next.NeedsLogin == ReasonRevoked:
		return withdrawn, nil
	case next.NeedsLogin != "":
		return unknown, nil
	}
	return unsure, next.Failure.backoff(m.clock())
}

// known asks GitHub's token check about an access token that has not run out. One that was just issued gets a second
// chance, since it may not be known everywhere yet.
func (m *Manager) known(ctx context.Context, r *record) (bool, error) {
	_, err := m.app.Check(ctx, r.Token.AccessToken.Secret)
	if errors.Is(err, oauth.ErrSignInAgain) && r.Token.young(m.clock()) && pause(ctx, settle) == nil {
		_, err = m.app.Check(ctx, r.Token.AccessToken.Secret)
	}
	if errors.Is(err, oauth.ErrSignInAgain) {
		return false, nil
	}
	return err == nil, err
}

// forgetWithdrawn forgets a grant whose token is dead, unless it holds another one by now. There is nothing to revoke.
func (m *Manager) forgetWithdrawn(ctx context.Context, userID int64, gone *record) (finding, error) {
	var last *record // That was forgotten; nil if it was not.
	after, err := m.update(ctx, userID, func(r *record, _ bool) error {
		last = nil
		if r.id() != gone.id() {
			return errUnchanged
		}
		last = r.clone()
		r.forget(m.clock())
		return nil
	})
	switch {
	case err != nil:
		return unsure, err
	case last == nil:
		return replaced, nil
	}
	if len(last.Logins) > 0 {
		m.tell(ctx, Event{Kind: EventSignedOut, UserID: userID, Reason: ReasonRevoked})
	}
	m.tell(ctx, Event{Kind: EventForgotten, UserID: userID, Reason: ReasonRevoked})
	m.giveUpPair(ctx, userID, after)
	return withdrawn, nil
}
