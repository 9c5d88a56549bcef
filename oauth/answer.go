package oauth

import (
	"encoding/json"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// answer is GitHub's answer to one request, read whole.
type answer struct {
	status int
	header http.Header
	body   []byte

	// secrets are the texts that went with the request. They are removed from what an error repeats of
	// the answer, since a server may echo what it was sent.
	secrets []string
}

// date returns when GitHub answered, by its own clock in whole seconds of UTC; by the local one if the
// answer doesn't say. The times in an answer are relative to GitHub's clock.
func (a *answer) date() time.Time {
	date, err := http.ParseTime(a.header.Get("Date"))
	if err != nil {
		date = time.Now()
	}
	return date.UTC().Truncate(time.Second)
}

// mediaType returns the answer's content type without parameters, "" if it has none.
func (a *answer) mediaType() string {
	media, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	return media
}

// isPage reports whether the answer is for people. GitHub's APIs never answer so: it comes from a proxy
// on the way, or from a host that is not a GitHub, and is no evidence about a token.
func (a *answer) isPage() bool {
	return a.mediaType() == "text/html"
}

// message returns the explanation in an error of the REST API.
func (a *answer) message() string {
	var body struct {
		Message string `json:"message"`
	}
	_ = json.Unmarshal(a.body, &body) // An answer in another form explains nothing.
	return clean(body.Message, a.secrets...)
}

// retryAfter returns how long GitHub asks to wait, 0 if it doesn't say (GitHub docs, Rate limits for the
// REST API and Best practices for using the REST API).
func (a *answer) retryAfter() time.Duration {
	const longest = 24 * time.Hour // Also keeps nonsense from overflowing.
	wait := func(d time.Duration) time.Duration { return min(max(d, 0), longest) }
	seconds := func(n int64) time.Duration {
		return time.Duration(min(max(n, 0), int64(longest/time.Second))) * time.Second
	}
	if text := a.header.Get("Retry-After"); text != "" {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return seconds(n)
		}
		if at, err := http.ParseTime(text); err == nil {
			return wait(at.Sub(a.date()))
		}
	}
	if a.header.Get("X-Ratelimit-Remaining") == "0" {
		if n, err := strconv.ParseInt(a.header.Get("X-Ratelimit-Reset"), 10, 64); err == nil {
			return seconds(n - a.date().Unix())
		}
	}
	limited := strings.Contains(strings.ToLower(a.message()), "rate limit")
	if limited || a.status == http.StatusTooManyRequests {
		return time.Minute // What GitHub asks for where it names no time.
	}
	return 0
}

// failed describes an answer by its status alone, for those that no call has a meaning of its own for.
func (a *answer) failed(op string) *Error {
	e := &Error{Op: op, Status: a.status, Class: ErrTryLater, Description: a.message(), RetryAfter: a.retryAfter()}
	switch {
	case a.status >= 500:
		e.reason, e.Unknown = "github, or a proxy on the way, is out of order", true
	case a.status == http.StatusTooManyRequests || a.status == http.StatusForbidden:
		e.reason = "github is limiting the rate, or refuses for another reason"
	case a.status == http.StatusNotFound:
		e.Class, e.reason = ErrMisconfigured, "there is nothing at this address: check the host's urls and the client id"
	case a.status >= 400:
		e.reason = "the request was refused without a reason"
	case a.status >= 300:
		e.Class, e.reason = ErrMisconfigured, "the host answers with a redirect, which is not followed: write the host's own url"
		e.Unknown = true
	default:
		return a.garbage(op)
	}
	return e
}

// garbage describes an answer that says yes but not what.
func (a *answer) garbage(op string) *Error {
	return &Error{
		Op: op, Status: a.status, Class: ErrTryLater, Unknown: true,
		reason: "the answer can't be read: check that the host is a github and that no proxy answers for it",
	}
}
