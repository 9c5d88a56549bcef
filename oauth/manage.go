package oauth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"
)

// TokenInfo is what GitHub knows about an access token of the app.
type TokenInfo struct {
	// User is whose token it is. GitHub leaves out Name and Email here.
	User User

	// Scopes are those of the token now, nil if it has none. A user can take some away at any time.
	Scopes []string

	// Expiry is when the token stops working, in UTC. Zero means never.
	Expiry time.Time
}

// Check asks GitHub about an access token: whether it works, whose it is, and that it is one of this app
// (POST /applications/CLIENT_ID/token, GitHub docs, REST API endpoints for OAuth authorizations). Unlike
// other calls with a dead token, it doesn't count towards GitHub's limit of failed log-ins.
//
// A token that GitHub doesn't know for this app gives an *Error of class ErrSignInAgain.
func (c *Client) Check(ctx context.Context, access Secret) (TokenInfo, error) {
	ans, err := c.manage(ctx, opCheck, http.MethodPost, "token", access)
	if err != nil {
		return TokenInfo{}, err
	}
	if ans.status == http.StatusNotFound {
		return TokenInfo{}, ans.unknownToken(opCheck)
	}
	if ans.status != http.StatusOK {
		return TokenInfo{}, ans.failed(opCheck)
	}
	var body struct {
		User   User       `json:"user"`
		Scopes []string   `json:"scopes"`
		Expiry *time.Time `json:"expires_at"`
	}
	if json.Unmarshal(ans.body, &body) != nil || !body.User.known() {
		return TokenInfo{}, ans.garbage(opCheck)
	}
	info := TokenInfo{User: body.User}
	if len(body.Scopes) > 0 {
		info.Scopes = body.Scopes
	}
	if body.Expiry != nil {
		info.Expiry = body.Expiry.UTC()
	}
	return info, nil
}

// CheckApp asks GitHub whether it takes the app's credentials, by a check of a token that is none: for a health check, so that a
// mistyped secret shows before a user meets it. It costs one call of the app's 5,000 an hour, and counts as no failed
// log-in (GitHub docs, REST API endpoints for OAuth authorizations). An *Error of class ErrMisconfigured says that none of
// the client secrets is taken; one of class ErrTryLater says nothing about them.
func (c *Client) CheckApp(ctx context.Context) error {
	_, err := c.Check(ctx, NewSecret("this-is-no-token"))
	if e, ok := errors.AsType[*Error](err); ok && (e.Is(ErrSignInAgain) || e.Status == http.StatusUnprocessableEntity) {
		return nil
	}
	return err
}

// RevokeToken ends one access token (DELETE /applications/CLIENT_ID/token). What else the user granted
// to the app stays. A token that GitHub doesn't know is gone already, which is no error.
func (c *Client) RevokeToken(ctx context.Context, access Secret) error {
	_, err := c.RevokeTokenIfKnown(ctx, access)
	return err
}

// RevokeTokenIfKnown is RevokeToken that says whether GitHub knew the token. It knows none that has run out, though the
// refresh token beside it may live on.
func (c *Client) RevokeTokenIfKnown(ctx context.Context, access Secret) (known bool, err error) {
	ans, err := c.manage(ctx, opRevokeToken, http.MethodDelete, "token", access)
	if err != nil {
		return false, err
	}
	switch ans.status {
	case http.StatusNoContent, http.StatusOK:
		return true, nil
	case http.StatusNotFound, http.StatusUnprocessableEntity:
		if !ans.isPage() {
			return false, nil
		}
	}
	return false, ans.failed(opRevokeToken)
}

// RevokeGrant takes back all that the user granted to the app: every token of theirs ends, and the app
// leaves the list in their settings (DELETE /applications/CLIENT_ID/grant). It takes an access token of
// theirs that works. With one that GitHub doesn't know, the grant may live on, and the error is of class
// ErrSignInAgain.
func (c *Client) RevokeGrant(ctx context.Context, access Secret) error {
	ans, err := c.manage(ctx, opRevokeGrant, http.MethodDelete, "grant", access)
	if err != nil {
		return err
	}
	switch ans.status {
	case http.StatusNoContent, http.StatusOK:
		return nil
	case http.StatusNotFound, http.StatusUnprocessableEntity:
		return ans.unknownToken(opRevokeGrant)
	}
	return ans.failed(opRevokeGrant)
}

// manage makes a call about an access token in the app's own name: HTTP Basic authentication with the
// client id and a client secret. A 401 is about these, and leads to the next secret.
func (c *Client) manage(ctx context.Context, op, method, what string, access Secret) (*answer, error) {
	if access.IsZero() {
		return nil, &Error{Op: op, Class: ErrSignInAgain, reason: "there is no access token"}
	}
	body, _ := json.Marshal(map[string]string{"access_token": access.Reveal()}) // Of strings, it can't fail.
	var ans *answer
	err := c.withSecrets(func(secret Secret) error {
		var err error
		ans, err = c.rest(ctx, restCall{
			op:      op,
			method:  method,
			path:    "applications/" + url.PathEscape(c.clientID) + "/" + what,
			auth:    "Basic " + base64.StdEncoding.EncodeToString([]byte(c.clientID+":"+secret.Reveal())),
			body:    body,
			secrets: []string{access.Reveal(), secret.Reveal()},
		})
		if err != nil {
			return err
		}
		if ans.status == http.StatusUnauthorized && !ans.isPage() {
			return &Error{
				Op: op, Code: CodeIncorrectClientCredentials, Status: ans.status, Class: ErrMisconfigured,
				Description: ans.message(),
			}
		}
		switch ans.status {
		case http.StatusOK, http.StatusNoContent, http.StatusNotFound, http.StatusUnprocessableEntity:
			return nil // Answers about the access token: GitHub took the secret.
		}
		return ans.failed(op)
	})
	if err != nil {
		return nil, err
	}
	return ans, nil
}
