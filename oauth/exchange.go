package oauth

import (
	"context"
	"net/http"
	"slices"
	"time"

	"golang.org/x/oauth2"
)

// Exchange turns the code that a visitor came back with into a Token. Verifier is the one that the
// attempt began with, see Authorize. A code works once and for ten minutes.
//
// The request is sent once, and never again by itself. Errors are an *Error; where Unknown is set, the
// code may be spent.
func (c *Client) Exchange(ctx context.Context, code string, verifier Secret) (Token, error) {
	if code == "" {
		return Token{}, &Error{Op: opExchange, Class: ErrStartAgain, reason: "the visitor came back without a code"}
	}
	if verifier.IsZero() && !c.host.NoPKCE {
		return Token{}, &Error{Op: opExchange, Class: ErrStartAgain, reason: "there is no verifier, which the attempt began with"}
	}
	token, _, err := c.token(ctx, opExchange, []string{code, verifier.Reveal()}, func(ctx context.Context, cfg *oauth2.Config) error {
		var params []oauth2.AuthCodeOption
		if !c.host.NoPKCE {
			params = append(params, oauth2.VerifierOption(verifier.Reveal()))
		}
		_, err := cfg.Exchange(ctx, code, params...)
		return err
	})
	return token, err
}

// Refresh turns t into the next Token. From that moment, t's access token and refresh token are dead:
// store the new one before anything else (GitHub docs, Refreshing user access tokens). If GitHub's
// answer leaves out the scopes or the refresh token, the new Token has those of t.
//
// The request is sent once, and never again by itself. Errors are an *Error. Where Unknown is set, the
// refresh token may be spent; then a later try may give CodeBadRefreshToken, although nobody revoked
// anything. A token that can't be refreshed, or no longer, is of class ErrSignInAgain without a request.
func (c *Client) Refresh(ctx context.Context, t Token) (Token, error) {
	if !t.Refreshable() {
		return Token{}, &Error{Op: opRefresh, Class: ErrSignInAgain, reason: "there is no refresh token"}
	}
	if !t.RefreshExpiry.IsZero() && !time.Now().Before(t.RefreshExpiry) {
		return Token{}, &Error{Op: opRefresh, Class: ErrSignInAgain, reason: "the refresh token has expired"}
	}
	secrets := []string{t.RefreshToken.Reveal(), t.AccessToken.Reveal()}
	next, sent, err := c.token(ctx, opRefresh, secrets, func(ctx context.Context, cfg *oauth2.Config) error {
		_, err := cfg.TokenSource(ctx, &oauth2.Token{RefreshToken: t.RefreshToken.Reveal()}).Token()
		return err
	})
	if err != nil {
		return Token{}, err
	}
	if !sent.has("scope") {
		next.Scopes = slices.Clone(t.Scopes)
	}
	if !next.Refreshable() {
		next.RefreshToken = t.RefreshToken
		if next.RefreshExpiry.IsZero() {
			next.RefreshExpiry = t.RefreshExpiry
		}
	}
	return next, nil
}

// token makes one request to the token endpoint, once a client secret, and reads the Token in its
// answer. x/oauth2 writes the request; the answer is read here.
func (c *Client) token(
	ctx context.Context, op string, secrets []string, request func(context.Context, *oauth2.Config) error,
) (token Token, sent fields, err error) {
	err = c.withSecrets(func(secret Secret) error {
		secrets := append(secrets, secret.Reveal())
		ans, err := c.send(ctx, op, "application/json", secrets, func(ctx context.Context, hc *http.Client) error {
			return request(context.WithValue(ctx, oauth2.HTTPClient, hc), c.config(secret))
		})
		if err != nil {
			return err
		}
		token, sent, err = ans.token(op)
		return err
	})
	return token, sent, err
}
