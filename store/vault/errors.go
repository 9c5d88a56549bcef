package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/hashicorp/vault/api"

	"github.com/ghlogin/ghlogin/store"
)

// The classes of errors, found by [errors.Is]. See also [store.ErrNotFound] and [store.ErrConflict].
var (
	// ErrUnavailable says that Vault did not answer or can't now: sealed, standby, overloaded, slow.
	// Nothing is wrong with what is stored; try again.
	ErrUnavailable = errors.New("vault is not available")

	// ErrDenied says that Vault refused this token, also after a fresh log-in where there is one, or refused
	// the log-in.
	ErrDenied = errors.New("vault denied the request")

	// ErrSetup says that the mount, the namespace or the settings are wrong, or that somebody else answered
	// in Vault's place.
	ErrSetup = errors.New("vault is not set up for this")
)

// Error is what went wrong in Vault, and what to do. It matches its class, and for a call that was cut
// short [context.Canceled] or [context.DeadlineExceeded].
type Error struct {
	// Class is ErrUnavailable, ErrDenied or ErrSetup.
	Class error
	// Status is Vault's HTTP status; 0 if it did not answer.
	Status int

	advice string
	detail string // Of vault/api, without the request's headers and bodies.
	cause  error  // A context's error.
}

// Error implements error.
func (e *Error) Error() string {
	if e.detail != "" {
		return e.summary() + ": " + e.detail
	}
	return e.summary()
}

// summary is all but the words of others, which may name the path and with it a user's id.
func (e *Error) summary() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v", e.Class)
	if e.Status != 0 {
		fmt.Fprintf(&b, " (status %d)", e.Status)
	}
	if e.advice != "" {
		b.WriteString(": " + e.advice)
	}
	return b.String()
}

// Is matches the class.
func (e *Error) Is(target error) bool { return target == e.Class }

// Unwrap returns the context's error, if that ended the call.
func (e *Error) Unwrap() error { return e.cause }

func setupError(advice string, err error) *Error {
	e := &Error{Class: ErrSetup, advice: advice}
	if err != nil {
		e.detail = err.Error()
	}
	return e
}

// Advice that Ping and [Store.call] make more exact.
const (
	checkMount = "check the mount and the namespace"
	givePolicy = "give the token the policy in store/vault/app.hcl"
)

// classify tells a check-and-set mismatch from every other 400, and Vault's word from that of a proxy before
// it. No 404 is "not found" here: read as one, a missing mount or a gateway's own answer would sign everybody
// out. What is, [Store.get] decides, which sees the whole answer.
func classify(err error) error {
	resp, ok := errors.AsType[*api.ResponseError](err)
	if !ok {
		return noAnswer(err)
	}
	said := strings.Join(strings.Fields(strings.Join(resp.Errors, "; ")), " ")
	if len(said) > 300 || resp.RawError {
		said = "" // A proxy's page.
	}
	e := &Error{Status: resp.StatusCode, detail: said}
	switch status := resp.StatusCode; {
	case status == http.StatusBadRequest && strings.Contains(said, "check-and-set parameter did not match"):
		return store.ErrConflict
	case status == http.StatusRequestTimeout || status == http.StatusTooManyRequests || status >= 500,
		status == http.StatusPreconditionFailed, status == 472, status == 473: // Standbys: one that lags, and Enterprise's.
		e.Class = ErrUnavailable
	case resp.RawError || len(resp.Errors) == 0:
		e.Class, e.advice = ErrSetup, "that is no answer of a KV version 2 engine: check the mount, the address, and the proxy or gateway before Vault"
	case status == http.StatusNotFound:
		e.Class, e.advice = ErrSetup, checkMount
	case status == http.StatusForbidden && strings.Contains(said, "invalid token"):
		e.Class, e.advice = ErrDenied, "the token has expired or was revoked"
	case status == http.StatusForbidden:
		e.Class, e.advice = ErrDenied, givePolicy
	case status == http.StatusBadRequest || status == http.StatusMethodNotAllowed:
		e.Class, e.advice = ErrSetup, "check that the mount is a KV version 2 engine"
	default:
		e.Class = ErrUnavailable
	}
	return e
}

// noAnswer is the error of a call that no answer came to. It does not show the URL, in which a user's id may
// stand.
func noAnswer(err error) *Error {
	if request, ok := errors.AsType[*url.Error](err); ok {
		err = request.Err
	}
	e := &Error{Class: ErrUnavailable, advice: "it did not answer", detail: err.Error()}
	for _, ended := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, ended) {
			e.cause, e.detail = ended, ended.Error()
		}
	}
	return e
}

// denied says whether Vault refused a request, and whether because the token is no longer one. A proxy's 403
// is neither: no log-in would help.
func denied(err error) (refused, dead bool) {
	resp, ok := errors.AsType[*api.ResponseError](err)
	if !ok || resp.StatusCode != http.StatusForbidden || resp.RawError {
		return false, false
	}
	said := strings.Join(resp.Errors, " ")
	dead = strings.Contains(said, "invalid token")
	return dead || strings.Contains(said, "permission denied"), dead
}
