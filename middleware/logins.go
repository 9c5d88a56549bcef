package middleware

import (
	"context"
	"net/http"

	"github.com/ghlogin/ghlogin/grant"
)

// Login is one of a user's logins, as a page may show it.
type Login = grant.LoginInfo

// What a sign-out's form may ask to end besides one login by its ID.
const (
	endOthers = "others"
	endAll    = "all"
)

// Logins returns the logins of r's user that stand, this browser's first: for a page where they look through them, and
// end what they don't know. That needs no handler of yours: a form that posts to [Authenticator.LogoutPath] ends what its
// field "end" names, which is the ID of a login, "others" for all but this browser's, or "all"; without one, this browser's. When
// another has ended, the visitor comes back to "return_to", a path of this site, or to [Config.AfterLogin]; when this browser's
// has, by "all", too, they go to [Config.AfterLogout]. As with every sign-out, posts from other sites are refused.
//
//	<form method="post" action="{{.LogoutPath}}">
//	<input type="hidden" name="return_to" value="/settings">
//	{{range .Logins}}<p>{{.UserAgent}}, last seen {{.LastSeen}}
//	{{if .Current}}(here){{else}}<button name="end" value="{{.ID}}">Sign out</button>{{end}}</p>{{end}}
//	<button name="end" value="others">Sign out everywhere else</button>
//	</form>
//
// With [Config.SessionIdleTimeout] logins whose browser was idle for too long are among them until it signs in or out again, or
// their lifetime is over; LastSeen tells, to the hour. It costs one read of the store. Errors are for [Authenticator.Fail]; where
// nobody is signed in it is [grant.ErrSignedOut].
func (a *Authenticator) Logins(r *http.Request) ([]Login, error) {
	if !a.sessions.mayHave(r) {
		return nil, grant.ErrSignedOut
	}
	session, err := a.sessions.open(r)
	if err != nil {
		return nil, &sessionError{err}
	}
	login, _ := session.get()
	return a.loginsOf(r.Context(), login)
}

// loginsOf returns the logins of a session's user if it is signed in by what the store says now: on a replica that
// remembers better, who was signed out elsewhere must not see, or end, the logins of whoever did it.
func (a *Authenticator) loginsOf(ctx context.Context, s grant.Session) ([]Login, error) {
	if s.LoginID == "" {
		return nil, grant.ErrSignedOut
	}
	logins, err := a.grants.Logins(ctx, s)
	if err == nil && (len(logins) == 0 || !logins[0].Current) {
		err = grant.ErrSignedOut
	}
	if err != nil {
		return nil, err
	}
	return logins, nil
}

// endLogins ends what a sign-out's form asks for, and says whether the login of this browser is in it.
func (a *Authenticator) endLogins(ctx context.Context, s grant.Session, which string) (here bool, err error) {
	if which == "" {
		if s.LoginID == "" {
			return true, nil
		}
		return true, a.grants.SignOut(ctx, s)
	}
	logins, err := a.loginsOf(ctx, s)
	switch {
	case err != nil:
		return false, err
	case which == endOthers:
		return false, a.grants.SignOutOthers(ctx, s)
	case which == endAll:
		return true, a.grants.SignOutEverywhere(ctx, s.UserID)
	case which == logins[0].ID:
		return true, a.grants.SignOut(ctx, s)
	}
	return false, a.grants.SignOutLogin(ctx, s.UserID, which)
}
