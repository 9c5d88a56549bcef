package middleware

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/ghlogin/ghlogin/grant"
)

const (
	// routeTimeout bounds the work of a callback or a sign-out, which goes on when the visitor leaves.
	routeTimeout = time.Minute

	// maxLogoutForm bounds the form of a sign-out, in bytes.
	maxLogoutForm = 16 << 10

	// formTimeout is how long it may take to arrive.
	formTimeout = 4 * time.Second
)

// logout ends this browser's login, or what its form says: see [Authenticator.Logins]. It takes POSTs from this site alone: a
// link or a form elsewhere can't sign anybody out.
func (a *Authenticator) logout(w http.ResponseWriter, r *http.Request) {
	if err := new(http.CrossOriginProtection).Check(r); err != nil {
		a.fail(w, r, &Problem{Kind: KindCrossOrigin})
		return
	}
	which, returnTo := logoutForm(w, r)
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
	if !ok && which == "" { // Whoever comes back too late to end anything else still ends this.
		login, _ = session.idled()
	}
	here, grantErr := a.endLogins(r.Context(), login, which)
	if here {
		err = session.remove(w)
	}
	if grantErr != nil {
		if !errors.Is(grantErr, grant.ErrSignedOut) {
			a.log.LogAttrs(r.Context(), slog.LevelError, "a sign-out did not reach the store", slog.Any("error", grantErr))
		}
		a.Fail(w, r, grantErr)
		return
	}
	if err != nil {
		// The grant no longer has the login, so the session that stayed behind is worth nothing.
		a.log.LogAttrs(r.Context(), slog.LevelWarn, "a session could not be removed", slog.Any("error", err))
	}
	switch {
	case !acceptsHTML(r):
		w.WriteHeader(http.StatusNoContent)
	case here:
		redirect(w, a.cfg.AfterLogout, http.StatusSeeOther)
	default:
		redirect(w, a.returnPath(returnTo), http.StatusSeeOther)
	}
}

// logoutForm returns what a sign-out's form asks for. What can't be read of it asks for nothing: without more, this browser's login
// ends.
func logoutForm(w http.ResponseWriter, r *http.Request) (which, returnTo string) {
	if r.Body != nil {
		r.Body = http.MaxBytesReader(w, r.Body, maxLogoutForm)
	}
	// Whoever sends a byte a minute does not keep the connection. Where the server can't do that, its ReadTimeout has to.
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(formTimeout))
	err := r.ParseForm()
	if err == nil {
		err = r.ParseMultipartForm(maxLogoutForm) // What a script's FormData is sent as.
	}
	if r.Body != nil && (err == nil || errors.Is(err, http.ErrNotMultipart)) {
		// What is no form, or stands behind one, was not read, and the server reads it before it answers.
		_, err = io.Copy(io.Discard, r.Body)
	}
	if err == nil {
		_ = rc.SetReadDeadline(time.Time{}) // Left standing, it would end the request's context.
	}
	return r.PostFormValue("end"), r.PostFormValue("return_to")
}
