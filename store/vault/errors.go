package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/hashicorp/vault/api"

	"github.com/ghlogin/ghlogin/store"
)

// The classes of errors, found by [errors.Is]. See also [store.ErrNotFound] and [store.ErrConflict].
var (
	// ErrUnavailable says that Vault did not answer or can't now: sealed, standby, overloaded, slow.
	// Nothing is wrong with what is stored; try again.
	ErrUnavailable = errors.New("vault is not available")

	// ErrDenied says that Vault refused this token, also after a fresh log-in where there is one.
	ErrDenied = errors.New("vault denied the request")

	// ErrSetup says that the mount, the namespace or the settings are wrong.
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
	var b strings.Builder
	fmt.Fprintf(&b, "%v", e.Class)
	if e.Status != 0 {
		fmt.Fprintf(&b, " (status %d)", e.Status)
	}
	if e.advice != "" {
		b.WriteString(": " + e.advice)
	}
	if e.detail != "" {
		b.WriteString(": " + e.detail)
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

// classify tells a check-and-set mismatch from every other 400, and an empty path from a missing mount:
// the latter read as "not found" would sign everybody out.
func classify(err error) error {
	resp, ok := errors.AsType[*api.ResponseError](err)
	if !ok {
		e := &Error{Class: ErrUnavailable, advice: "it did not answer", detail: err.Error()}
		for _, ended := range []error{context.Canceled, context.DeadlineExceeded} {
			if errors.Is(err, ended) {
				e.cause, e.detail = ended, ended.Error()
			}
		}
		return e
	}
	said := strings.Join(strings.Fields(strings.Join(resp.Errors, "; ")), " ")
	if len(said) > 300 || resp.RawError {
		said = "" // A proxy's page.
	}
	e := &Error{Status: resp.StatusCode, detail: said}
	switch {
	case resp.StatusCode == http.StatusBadRequest && strings.Contains(said, "check-and-set parameter did not match"):
		return store.ErrConflict
	case resp.StatusCode == http.StatusNotFound && len(resp.Errors) == 0:
		return store.ErrNotFound
	case resp.StatusCode == http.StatusNotFound:
		e.Class, e.advice = ErrSetup, "check the mount and the namespace"
	case resp.StatusCode == http.StatusForbidden && strings.Contains(said, "invalid token"):
		e.Class, e.advice = ErrDenied, "the token has expired or was revoked"
	case resp.StatusCode == http.StatusForbidden:
		e.Class, e.advice = ErrDenied, "give the token the policy in store/vault/app.hcl"
	case resp.StatusCode == http.StatusBadRequest || resp.StatusCode == http.StatusMethodNotAllowed:
		e.Class, e.advice = ErrSetup, "check that the mount is a KV version 2 engine"
	default: // 412 a standby that lags, 429, 472, 473, 5xx, and what a proxy may say.
		e.Class = ErrUnavailable
	}
	return e
}

// denied says whether Vault refused a request, and whether because the token is no longer one.
func denied(err error) (refused, dead bool) {
	resp, ok := errors.AsType[*api.ResponseError](err)
	if !ok || resp.StatusCode != http.StatusForbidden {
		return false, false
	}
	return true, strings.Contains(strings.Join(resp.Errors, " "), "invalid token")
}
