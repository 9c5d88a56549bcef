package oauth

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// fields are the values in an answer of the token endpoint, whichever encoding they came in.
type fields map[string]string

func (f fields) has(key string) bool {
	_, ok := f[key]
	return ok
}

// tokenKeys are the fields that must be text or numbers to be understood.
var tokenKeys = []string{
	"access_token", "refresh_token", "scope", "expires_in", "refresh_token_expires_in",
	"error", "error_description", "error_uri",
}

var errUnreadable = errors.New("answer is neither json nor a form")

// token reads an answer of the token endpoint to op. It also returns the fields that the Token was read
// from. The error is an *Error.
func (a *answer) token(op string) (Token, fields, error) {
	f, err := a.fields()
	switch {
	case f["error"] != "" && a.decides(readCode(f["error"])):
		return Token{}, nil, a.tokenError(op, f)
	case a.status != http.StatusOK:
		return Token{}, nil, a.failed(op)
	case err != nil:
		return Token{}, nil, a.garbage(op)
	}
	token, err := readToken(f, a.date())
	if err != nil {
		e := a.garbage(op)
		e.reason = err.Error()
		return Token{}, nil, e
	}
	return token, f, nil
}

// decides reports whether an error code says more than the answer's status. GitHub's noes have status
// 200, other servers' 400. Behind a 5xx nothing is sure, not even that the answer is GitHub's own.
func (a *answer) decides(code Code) bool {
	switch {
	case a.status >= 500:
		return false
	case code.documented() || a.status == http.StatusOK:
		return true
	case a.status == http.StatusNotFound:
		// An error that is not even a code, such as "Not Found", says no more than the status.
		return code != ""
	case a.status == http.StatusForbidden || a.status == http.StatusTooManyRequests:
		return false
	}
	return a.status >= 400
}

// tokenError describes an answer with an error code.
func (a *answer) tokenError(op string, f fields) *Error {
	code := readCode(f["error"])
	e := &Error{
		Op: op, Code: code, Status: a.status, Class: code.at(op),
		Description: clean(f["error_description"], a.secrets...),
	}
	if errors.Is(e, ErrTryLater) {
		e.RetryAfter = a.retryAfter()
	}
	if !code.documented() {
		e.reason = "github answers with an error that isn't documented"
		// It could be anything, even what was sent.
		if scrub(string(code), a.secrets) != string(code) {
			e.Code = ""
		}
	}
	if uri := docsURI(f["error_uri"]); uri == scrub(uri, a.secrets) {
		e.URI = uri
	}
	return e
}

// fields reads the answer as JSON or as a form. The token endpoint answers in JSON because that is asked
// for, but a proxy that drops the Accept header gets GitHub's default, a form.
func (a *answer) fields() (fields, error) {
	media := a.mediaType()
	switch {
	case media == "application/json" || strings.HasSuffix(media, "+json"):
		return jsonFields(a.body)
	case media == "application/x-www-form-urlencoded" || media == "text/plain":
		return formFields(a.body)
	case media == "" && strings.HasPrefix(strings.TrimSpace(string(a.body)), "{"):
		return jsonFields(a.body)
	}
	return nil, errUnreadable
}

func jsonFields(body []byte) (fields, error) {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(body, &values); err != nil {
		return nil, errUnreadable
	}
	f := fields{}
	for _, key := range tokenKeys {
		value, ok := values[key]
		if !ok || string(value) == "null" {
			continue
		}
		var text string
		var number json.Number
		switch {
		case json.Unmarshal(value, &text) == nil:
			f[key] = text
		case json.Unmarshal(value, &number) == nil:
			f[key] = number.String()
		default:
			return nil, errUnreadable
		}
	}
	return f, nil
}

func formFields(body []byte) (fields, error) {
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, errUnreadable
	}
	f := fields{}
	for _, key := range tokenKeys {
		if values.Has(key) {
			f[key] = values.Get(key)
		}
	}
	return f, nil
}

// readToken reads a Token out of an answer that GitHub gave at now.
func readToken(f fields, now time.Time) (Token, error) {
	for _, key := range []string{"access_token", "refresh_token"} {
		if strings.ContainsFunc(f[key], notToken) {
			return Token{}, errors.New("the answer's " + key + " can't be one")
		}
	}
	if f["access_token"] == "" {
		return Token{}, errors.New("the answer holds neither a token nor an error: check that the host is a github")
	}
	expiry, err := readExpiry(f, "expires_in", now)
	if err != nil {
		return Token{}, err
	}
	refreshExpiry, err := readExpiry(f, "refresh_token_expires_in", now)
	if err != nil {
		return Token{}, err
	}
	return Token{
		AccessToken:   NewSecret(f["access_token"]),
		RefreshToken:  NewSecret(f["refresh_token"]),
		Scopes:        readScopes(f["scope"]),
		Expiry:        expiry,
		RefreshExpiry: refreshExpiry,
	}, nil
}

// readExpiry returns now plus the seconds in f[key], the zero time if there is no such field. Seconds that
// can't be are an error: the zero time in their place would mean that the token never expires.
func readExpiry(f fields, key string, now time.Time) (time.Time, error) {
	const most = 100 * 365 * 24 * 60 * 60
	if !f.has(key) {
		return time.Time{}, nil
	}
	seconds, err := strconv.ParseFloat(f[key], 64)
	if err != nil || !(seconds >= 1 && seconds <= most) {
		return time.Time{}, errors.New("the answer's " + key + " is not a number of seconds")
	}
	return now.Add(time.Duration(seconds) * time.Second), nil
}

// readScopes splits a list of scopes. GitHub separates them by commas, the OAuth standard by blanks.
func readScopes(list string) []string {
	scopes := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
	if len(scopes) == 0 {
		return nil
	}
	return scopes
}
