package oauth

import (
	"context"
	"encoding/json"
	"net/http"
)

// User is a GitHub account, as GET /user describes it (GitHub docs, REST API endpoints for users).
//
// ID is the name that stays. A login can be changed, and then be taken by somebody else (GitHub docs,
// Changing your GitHub username), so nothing may be stored under it.
type User struct {
	// ID is the account's number, never 0 in a User that this package returns.
	ID int64 `json:"id"`

	// Login is the account's name now.
	Login string `json:"login"`

	// Name is what the person calls themselves. Empty if the profile has none.
	Name string `json:"name"`

	// Email is the profile's public address. Empty if there is none, which is usual. It is no proof of
	// anything: read /user/emails for verified addresses.
	Email string `json:"email"`

	// AvatarURL is the address of the account's picture.
	AvatarURL string `json:"avatar_url"`
}

// User asks GitHub whose token access is (GET /user). Ask after every sign-in: a visitor may come back
// as another account than last time (GitHub docs, Authorizing OAuth apps).
//
// A token that GitHub doesn't take gives an *Error of class ErrSignInAgain. A 403 is no evidence
// against a token, since GitHub answers it to good ones too, and gives ErrTryLater.
func (c *Client) User(ctx context.Context, access Secret) (User, error) {
	if access.IsZero() {
		return User{}, &Error{Op: opUser, Class: ErrSignInAgain, reason: "there is no access token"}
	}
	ans, err := c.rest(ctx, restCall{
		op:      opUser,
		method:  http.MethodGet,
		path:    "user",
		auth:    "Bearer " + access.Reveal(),
		secrets: []string{access.Reveal()},
	})
	if err != nil {
		return User{}, err
	}
	switch {
	case ans.status == http.StatusUnauthorized:
		return User{}, ans.unknownToken(opUser)
	case ans.status != http.StatusOK:
		return User{}, ans.failed(opUser)
	}
	var user User
	if json.Unmarshal(ans.body, &user) != nil || !user.known() {
		return User{}, ans.garbage(opUser)
	}
	return user, nil
}

// known reports whether u names an account. Without the check, an answer that isn't a user's would sign
// the visitor in as account 0, together with everybody else it happens to.
func (u User) known() bool {
	return u.ID > 0 && u.Login != ""
}
