package middleware

import (
	"context"
	"log/slog"
	"net/http"
	"time"
)

// routeTimeout bounds the work of a callback or a sign-out, which goes on when the visitor leaves.
const routeTimeout = time.Minute

// logout ends this browser's login. It takes POSTs from this site alone: a link or a form elsewhere
// can't sign anybody out.
func (a *Authenticator) logout(w http.ResponseWriter, r *http.Request) {
	if err := new(http.CrossOriginProtection).Check(r); err != nil {
		a.fail(w, r, &Problem{Kind: KindCrossOrigin})
		return
	}
	// A visitor who leaves meanwhile is signed out all the same.
	detached, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), routeTimeout)
	defer cancel()
	r = r.WithContext(detached)
	session, err := a.sessions.open(r)
	if err != nil {
		a.Fail(w, r, &sessionError{err})
		return
	}

	// The grant first: it is what makes the sign-out final on every replica. If it can't be written
	// the browser is signed out all the same, and the visitor is told that this was all.
	login, ok := session.get()
	var grantErr error
	if ok {
		grantErr = a.grants.SignOut(r.Context(), login)
	}
	err = session.remove(w)
	switch {
	case grantErr != nil:
		a.log.LogAttrs(r.Context(), slog.LevelError, "a sign-out did not reach the store", slog.Any("error", grantErr))
		a.Fail(w, r, grantErr)
	case err != nil:
		// The grant no longer has the login, so the session that stayed behind is worth nothing.
		a.log.LogAttrs(r.Context(), slog.LevelWarn, "a session could not be removed", slog.Any("error", err))
		fallthrough
	default:
		if acceptsHTML(r) {
			redirect(w, a.cfg.AfterLogout, http.StatusSeeOther)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}
