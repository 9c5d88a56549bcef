package oauth

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"syscall"
)

// The names of the calls, in Error.Op.
const (
	opExchange    = "exchange"
	opRefresh     = "refresh"
	opCheck       = "check token"
	opRevokeToken = "revoke token"
	opRevokeGrant = "revoke grant"
	opUser        = "read user"
	opCallback    = "callback"
)

// maxAnswer bounds an answer, in bytes. GitHub's are below 10 kB.
const maxAnswer = 1 << 20

var errTooLong = errors.New("answer too long")

// attempt is one request to GitHub. It is the http.RoundTripper of that request alone, reads the answer
// whole, and keeps it for the caller: x/oauth2 would hide its Date header, take an expiry that it can't
// read for none, and put the answer's text into its errors.
type attempt struct {
	next   http.RoundTripper
	accept string

	answer *answer // Nil if none arrived whole.
	err    error   // Why none did.

	traced atomic.Bool // next tells about its connections.
	sent   atomic.Bool // It had one to send the request on.
}

// RoundTrip implements http.RoundTripper.
func (a *attempt) RoundTrip(req *http.Request) (*http.Response, error) {
	sent := func() { a.sent.Store(true) }
	ctx := httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		GetConn:              func(string) { a.traced.Store(true) },
		GotConn:              func(httptrace.GotConnInfo) { sent() },
		WroteHeaders:         sent,
		WroteRequest:         func(httptrace.WroteRequestInfo) { sent() },
		GotFirstResponseByte: sent,
	})
	req = req.Clone(ctx)
	req.Header.Set("Accept", a.accept)
	req.Header.Set("User-Agent", "ghlogin")

	resp, err := a.next.RoundTrip(req)
	if err != nil {
		a.err = err
		return nil, err
	}
	sent()
	if resp.Body == nil { // Transports made by hand for tests often leave it out.
		resp.Body = http.NoBody
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	_ = resp.Body.Close()
	if err == nil && len(body) > maxAnswer {
		err = errTooLong
	}
	if err != nil {
		a.err = err
		return nil, err
	}
	a.answer = &answer{status: resp.StatusCode, header: resp.Header, body: body}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// send makes one request under the client's timeout: do sends it with the http.Client it is given, and
// what do returns only matters if no answer came. Secrets are the texts that must not come back in
// errors. The error is an *Error.
func (c *Client) send(
	ctx context.Context, op, accept string, secrets []string, do func(context.Context, *http.Client) error,
) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return nil, &Error{Op: op, Class: ErrTryLater, reason: "the call was over before it began", cause: err}
	}
	a := &attempt{next: c.transport, accept: accept}
	hc := &http.Client{
		Transport: a,
		// A redirect could carry the client secret, or the token, to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	err := do(ctx, hc)
	if a.answer != nil {
		a.answer.secrets = secrets
		return a.answer, nil
	}
	if a.err == nil {
		return nil, &Error{Op: op, Class: ErrMisconfigured, reason: "the request could not be made from these settings"}
	}
	return nil, a.failure(ctx, op, c.host.Name, err)
}

// failure describes a request without an answer.
func (a *attempt) failure(ctx context.Context, op, host string, err error) *Error {
	e := &Error{Op: op, Class: ErrTryLater, Unknown: a.maybeSent()}
	switch {
	case ctx.Err() != nil:
		// Not err: the transport gives the context's cause, which may be anybody's error and text.
		e.cause = ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		e.cause = context.DeadlineExceeded
	case errors.Is(err, context.Canceled):
		e.cause = context.Canceled
	}
	switch {
	case errors.Is(e.cause, context.DeadlineExceeded):
		e.reason = host + " did not answer in time"
	case e.cause != nil:
		e.reason = "the caller gave up"
	default:
		e.reason = host + ": " + networkReason(a.err)
	}
	return e
}

// maybeSent reports whether GitHub may have got the request.
func (a *attempt) maybeSent() bool {
	if a.sent.Load() {
		return true
	}
	if a.traced.Load() {
		return false
	}
	// A transport that doesn't tell about its connections: only errors that come before any are proof.
	var dial *net.OpError
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	isDial := errors.As(a.err, &dial) && dial.Op == "dial"
	return !isDial && !errors.As(a.err, &dns) && !errors.As(a.err, &cert)
}

// networkReason says what a transport's error means. It repeats none of its text, since a transport can
// put the request into it.
func networkReason(err error) string {
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var noTLS tls.RecordHeaderError
	var timeout net.Error
	var dial *net.OpError
	switch {
	case errors.Is(err, errTooLong):
		return "the answer is too large to come from github"
	case errors.As(err, &dns):
		return "the host's name was not found: check its spelling and this machine's dns"
	case errors.As(err, &cert):
		return "the host's tls certificate was not accepted: check who issued it and this machine's clock"
	case errors.As(err, &noTLS):
		return "the host does not speak tls on this port"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "the host did not answer in time"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused"
	case errors.As(err, &dial) && dial.Op == "dial":
		return "no connection could be made"
	default:
		return "the connection broke off"
	}
}
