package grant

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/ghlogin/ghlogin/oauth"
)

// signInTimeout bounds what follows the exchange of a code: one call to GitHub and a few of the
// store.
const signInTimeout = 30 * time.Second

// settle is how long GitHub may take until a token that it just issued works everywhere: it has been seen to
// answer 401 for a moment.
const settle = 500 * time.Millisecond

// Session names one browser's sign-in. It holds no token; it is what a session store keeps.
type Session struct {
	UserID  int64  // UserID is GitHub's number for the account, which outlives a change of its login.
	LoginID string // LoginID is random, one per sign-in.
}

// Login is what a sign-in begins.
type Login struct {
	// Lifetime is how long it lasts, whatever is done meanwhile. It must be more than zero.
	Lifetime time.Duration

	// Browser names the browser, if it is known; it is random and nothing else. Several tabs that sign
	// in at once make several logins, of which the browser keeps one: they end together.
	Browser string

	// UserAgent is what the browser calls itself, for [LoginInfo]; it may be anything.
	UserAgent string
}

// SignIn ends a sign-in: it exchanges the code of a callback, asks GitHub whose token it got, stores
// the token in that user's grant, and adds a login to it.
//
// It costs GitHub two calls and the store one read and one write. A token that the new one replaces
// is revoked at GitHub some seconds later, since GitHub keeps at most ten of an OAuth App's tokens
// per user and scopes (GitHub docs, "Authorizing OAuth apps"). Errors are package oauth's,
// [*StoreError], [*FormatError], [ErrClosed], and the admission's ([WithAdmission]); after one nothing is signed in.
func (m *Manager) SignIn(ctx context.Context, code string, verifier oauth.Secret, l Login) (s Session, u oauth.User, err error) {
	if l.Lifetime <= 0 {
		return Session{}, oauth.User{}, errors.New("grant: SignIn: the login has no lifetime")
	}
	// A visitor who hangs up must not leave a token behind that nobody knows.
	ctx, done, ok := m.work.detach(ctx, signInTimeout)
	if !ok {
		return Session{}, oauth.User{}, ErrClosed
	}
	defer done()
	ctx, finish := m.outside.startSpan(ctx, "ghlogin.sign_in")
	start := time.Now()
	var user oauth.User
	defer func() {
		finish(err)
		if err != nil {
			m.tell(ctx, Event{Kind: EventSignInFailed, UserID: user.ID, Err: err, Took: time.Since(start)})
		}
	}()
	tok, err := m.app.Exchange(ctx, code, verifier)
	if err != nil {
		return Session{}, oauth.User{}, err
	}

	// Whose token it is must be asked after every sign-in: the visitor may have changed accounts
	// (GitHub docs, "Authorizing OAuth apps").
	user, err = m.app.User(ctx, tok.AccessToken)
	if errors.Is(err, oauth.ErrSignInAgain) && pause(ctx, settle) == nil {
		user, err = m.app.User(ctx, tok.AccessToken)
	}
	if err != nil {
		m.revoke(ctx, tok, 0, "nobody could be signed in with it")
		return Session{}, oauth.User{}, err
	}

	if err := m.admit(ctx, user, tok); err != nil {
		return Session{}, oauth.User{}, err
	}

	now := m.clock()
	session := Session{UserID: user.ID, LoginID: rand.Text()}
	lineage := rand.Text()
	var replaced replacedTokens
	tried := false // To write.
	stored, err := m.update(ctx, user.ID, func(r *record, again bool) error {
		tried = true
		if _, ok := r.Logins[session.LoginID]; ok {
			return errUnchanged // An earlier try had got through, and others have built on it.
		}
		if again { // Or it had, and was signed out everywhere at once: to write it again would undo that.
			return &StoreError{Op: "put", Err: errors.New("whether it counted is not known")}
		}
		if r.ClientID != m.app.ClientID() {
			*r = record{WriteID: r.WriteID, Before: r.Before} // Another app's logins are not ours, nor is its token.
		}
		if !r.Token.AccessToken.Equal(tok.AccessToken) { // Else GitHub gave the same one again, so it must live.
			replaced.add(r)
		}
		*r = record{
			ClientID: m.app.ClientID(),
			WriteID:  r.WriteID,
			Before:   r.Before,
			User:     user,
			Token:    storedToken(tok, now),
			Logins:   r.Logins,
			Lineage:  lineage,
		}
		r.addLogin(session.LoginID, login{
			Created: now.UTC(), Expires: now.Add(l.Lifetime).UTC(), Browser: l.Browser, UserAgent: printable(l.UserAgent, maxUserAgent),
		})
		return nil
	})
	switch {
	case err != nil && !tried:
		m.revoke(ctx, tok, 0, "it could not be stored")
		return Session{}, oauth.User{}, err
	case err != nil:
		m.revokeUnlessStored(ctx, session, lineage, tok, replaced)
		return Session{}, oauth.User{}, err
	}
	m.giveUpPair(ctx, user.ID, stored)
	for _, r := range replaced {
		m.revoke(ctx, r.Token.oauth(), revokeGrace, "a new sign-in replaced it")
	}
	m.tell(ctx, Event{Kind: EventSignedIn, UserID: user.ID, Took: time.Since(start)})
	return session, user, nil
}

// replacedTokens are what the tries of a sign-in were written over, by lineage. Which of them counted need not show: a Put
// whose answer was lost may have, and the read after it may have lagged behind. All of them are of the past once the sign-in
// stands.
type replacedTokens map[string]*record

func (t *replacedTokens) add(r *record) {
	if known, ok := (*t)[r.Lineage]; r.Lineage == "" || ok && known.Generation > r.Generation {
		return
	}
	if *t == nil {
		*t = make(replacedTokens)
	}
	(*t)[r.Lineage] = r.clone()
}
