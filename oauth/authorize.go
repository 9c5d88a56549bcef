package oauth

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/oauth2"
)

// Authorize is what one attempt to sign in asks GitHub for. State is needed, and Verifier too unless
// the Host has NoPKCE; the rest may stay zero.
type Authorize struct {
	// State comes back with the visitor. Compare it with the one that their browser started with, else
	// anybody could sign them in to an account of their own. Make it with NewState.
	State string

	// Verifier proves to GitHub, at the exchange, that it is asked by whoever started the attempt. Make
	// it with NewVerifier. Only its hash is sent now.
	Verifier Secret

	// Scopes are what an OAuth App asks the user for (GitHub docs, Scopes for OAuth apps). With none of
	// them, GitHub gives what the user granted to the app before. GitHub Apps have permissions instead.
	Scopes []string

	// OfflineAccess asks an OAuth App's token to expire and to come with a refresh token, by the scope
	// offline_access.
	OfflineAccess bool

	// Login suggests the account to sign in with.
	Login string

	// DisallowSignup hides the offer to create a GitHub account.
	DisallowSignup bool

	// Prompt is "" or "select_account", which lets the visitor choose an account even if GitHub has only
	// one signed in.
	Prompt string
}

// NewState returns a new state: 32 random bytes in base64url, 43 characters.
func NewState() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // It ends the program rather than fail.
	return base64.RawURLEncoding.EncodeToString(b)
}

// NewVerifier returns a new PKCE code verifier (RFC 7636, section 4.1): 32 random bytes in base64url, 43
// characters.
func NewVerifier() Secret {
	return NewSecret(oauth2.GenerateVerifier())
}

// AuthorizeURL returns the address of GitHub's page where the visitor signs in and grants access. It
// makes no request. The error names all that is wrong with a; an empty state or verifier is an error, so
// that to forget one never removes a check.
func (c *Client) AuthorizeURL(a Authorize) (string, error) {
	if err := a.validate(c.host); err != nil {
		return "", fmt.Errorf("authorize url: %w", err)
	}
	cfg := c.config(Secret{})
	cfg.Scopes = a.Scopes
	if a.OfflineAccess {
		cfg.Scopes = append(slices.Clip(cfg.Scopes), "offline_access")
	}
	var params []oauth2.AuthCodeOption
	if !c.host.NoPKCE {
		params = append(params, oauth2.S256ChallengeOption(a.Verifier.Reveal()))
	}
	if a.Login != "" {
		params = append(params, oauth2.SetAuthURLParam("login", a.Login))
	}
	if a.DisallowSignup {
		params = append(params, oauth2.SetAuthURLParam("allow_signup", "false"))
	}
	if a.Prompt != "" {
		params = append(params, oauth2.SetAuthURLParam("prompt", a.Prompt))
	}
	return cfg.AuthCodeURL(a.State, params...), nil
}

// ValidateScopes reports all the elements that can't be a scope, for example two in one. It doesn't know
// which scopes GitHub has.
func ValidateScopes(scopes []string) error {
	var errs []error
	for _, scope := range scopes {
		if scope == "" || strings.Contains(scope, ",") || strings.ContainsFunc(scope, notToken) {
			errs = append(errs, fmt.Errorf("%.100q is not a scope: write each scope as an element of its own", scope))
		}
	}
	return errors.Join(errs...)
}

func (a Authorize) validate(host Host) error {
	var errs []error
	if a.State == "" {
		errs = append(errs, errors.New("there is no state: make one with NewState and keep it in the visitor's browser"))
	}
	if a.Verifier.IsZero() && !host.NoPKCE {
		errs = append(errs, errors.New("there is no verifier: make one with NewVerifier and keep it until the exchange"))
	}
	errs = append(errs, ValidateScopes(a.Scopes))
	if a.Prompt != "" && a.Prompt != "select_account" {
		errs = append(errs, fmt.Errorf("%.100q is not a prompt: write select_account or leave it empty", a.Prompt))
	}
	return errors.Join(errs...)
}
