package oauth

import (
	"errors"
	"net/url"
	"strings"
	"unicode"
)

// Code is GitHub's name for an error of its OAuth endpoints.
type Code string

// The codes that GitHub documents (GitHub docs, Troubleshooting OAuth app access token request errors,
// Troubleshooting authorization request errors, Generating a user access token for a GitHub App, and
// Authorizing OAuth apps for the device flow).
const (
	// CodeBadVerificationCode: the code is wrong, older than ten minutes, or was used already.
	CodeBadVerificationCode Code = "bad_verification_code"
	// CodeIncorrectClientCredentials: the client id or the client secret is wrong.
	CodeIncorrectClientCredentials Code = "incorrect_client_credentials"
	// CodeRedirectURIMismatch: the redirect URL isn't one that is registered for the app.
	CodeRedirectURIMismatch Code = "redirect_uri_mismatch"
	// CodeUnverifiedUserEmail: the user's primary e-mail address isn't verified.
	CodeUnverifiedUserEmail Code = "unverified_user_email"
	// CodeBadRefreshToken: the refresh token is wrong, expired or was used already.
	CodeBadRefreshToken Code = "bad_refresh_token"
	// CodeUnsupportedGrantType: the request asked for a grant type that GitHub doesn't know.
	CodeUnsupportedGrantType Code = "unsupported_grant_type"
	// CodeAccessDenied: the user refused.
	CodeAccessDenied Code = "access_denied"
	// CodeApplicationSuspended: GitHub suspended the app.
	CodeApplicationSuspended Code = "application_suspended"

	// CodeInvalidScope: a scope that was asked for is none (RFC 6749, section 4.1.2.1; not in GitHub's docs).
	CodeInvalidScope Code = "invalid_scope"

	// CodeAuthorizationPending, of the device flow: the user has not entered the code yet.
	CodeAuthorizationPending Code = "authorization_pending"
	// CodeSlowDown, of the device flow: the app polls too often.
	CodeSlowDown Code = "slow_down"
	// CodeExpiredToken, of the device flow: the device code is older than fifteen minutes.
	CodeExpiredToken Code = "expired_token"
	// CodeTokenExpired is the other spelling of CodeExpiredToken in GitHub's documentation.
	CodeTokenExpired Code = "token_expired"
	// CodeIncorrectDeviceCode, of the device flow: the device code is wrong.
	CodeIncorrectDeviceCode Code = "incorrect_device_code"
	// CodeDeviceFlowDisabled, of the device flow: it is not switched on for the app.
	CodeDeviceFlowDisabled Code = "device_flow_disabled"
)

// codes says what each documented code means, and what is to be done.
var codes = map[Code]struct {
	class   error
	meaning string
}{
	CodeBadVerificationCode:        {ErrStartAgain, "the code is wrong, too old or used already"},
	CodeIncorrectClientCredentials: {ErrMisconfigured, "github accepted none of the client secrets for this client id"},
	CodeRedirectURIMismatch:        {ErrMisconfigured, "register the redirect url with the app at github, letter by letter"},
	CodeUnverifiedUserEmail:        {ErrStartAgain, "the user must first verify their primary e-mail address at github"},
	CodeBadRefreshToken:            {ErrSignInAgain, "the refresh token is wrong, too old or used already"},
	CodeUnsupportedGrantType:       {ErrMisconfigured, "the host doesn't know this kind of request: is it a github?"},
	CodeAccessDenied:               {ErrStartAgain, "the user refused"},
	CodeApplicationSuspended:       {ErrMisconfigured, "github suspended the app: ask github's support why"},
	CodeInvalidScope:               {ErrMisconfigured, "github has no scope of that name: correct the scopes that the app asks for"},
	CodeAuthorizationPending:       {ErrTryLater, "the user has not entered the code yet"},
	CodeSlowDown:                   {ErrTryLater, "the app polls too often"},
	CodeExpiredToken:               {ErrStartAgain, "the device code is too old"},
	CodeTokenExpired:               {ErrStartAgain, "the device code is too old"},
	CodeIncorrectDeviceCode:        {ErrStartAgain, "the device code is wrong"},
	CodeDeviceFlowDisabled:         {ErrMisconfigured, "switch the device flow on in the app's settings at github"},
}

func (c Code) documented() bool {
	_, ok := codes[c]
	return ok
}

// at returns the class of an error that GitHub answers to op with.
func (c Code) at(op string) error {
	known, ok := codes[c]
	switch {
	case op == opExchange && (!ok || errors.Is(known.class, ErrSignInAgain)):
		// There is nothing to lose yet but this attempt.
		return ErrStartAgain
	case op == opRefresh && !ok:
		// Only what GitHub is known to say is evidence that a token is dead. Somebody would be signed
		// out for a word that may mean anything.
		return ErrTryLater
	case op == opRefresh && errors.Is(known.class, ErrStartAgain):
		return ErrSignInAgain
	}
	return known.class
}

// maxCode is the length in bytes above which a code isn't taken for one.
const maxCode = 64

// readCode returns text if it looks like a code, else "": in place of a code a visitor can send any
// text, which would go on to logs and pages.
func readCode(text string) Code {
	if len(text) > maxCode {
		return ""
	}
	for _, r := range text {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' {
			return ""
		}
	}
	return Code(text)
}

// maxDescription is the length in runes to which a description is cut.
const maxDescription = 200

// clean returns text as one line of printable runes, without the given secrets, cut to maxDescription.
// Without it, an answer or a visitor could forge lines of a log.
func clean(text string, secrets ...string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == unicode.ReplacementChar || !unicode.IsPrint(r):
			return -1
		}
		return r
	}, text)
	text = strings.TrimSpace(scrub(text, secrets))
	if runes := []rune(text); len(runes) > maxDescription {
		text = string(runes[:maxDescription-1]) + "…"
	}
	return text
}

// scrub replaces each of the secrets in text, as they are and as they stand in a form.
func scrub(text string, secrets []string) string {
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		text = strings.ReplaceAll(text, secret, redacted)
		text = strings.ReplaceAll(text, url.QueryEscape(secret), redacted)
	}
	return text
}

// docsURI returns uri if it is a page of GitHub's documentation, else "". A link in an error is likely
// to be clicked, and in a callback anybody can have written it.
func docsURI(uri string) string {
	const maxURI = 300
	u, err := url.Parse(uri)
	if err != nil || len(uri) > maxURI || u.Scheme != "https" || u.User != nil {
		return ""
	}
	if u.Host != "docs.github.com" && u.Host != "developer.github.com" {
		return ""
	}
	return u.String()
}
