package oauth

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
)

// restCall is one call of GitHub's REST API.
type restCall struct {
	op      string
	method  string
	path    string // Below Host.API.
	auth    string // The Authorization header.
	body    []byte // JSON, nil for none.
	secrets []string
}

// rest makes the call. It returns an error, an *Error, only if no answer came.
func (c *Client) rest(ctx context.Context, call restCall) (*answer, error) {
	_, credentials, _ := strings.Cut(call.auth, " ")
	secrets := append([]string{credentials}, call.secrets...)
	return c.send(ctx, call.op, "application/vnd.github+json", secrets, func(ctx context.Context, hc *http.Client) error {
		var body io.Reader
		if call.body != nil {
			body = bytes.NewReader(call.body)
		}
		req, err := http.NewRequestWithContext(ctx, call.method, c.host.API+call.path, body)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", call.auth)
		// Without a version, the API's answers change when GitHub makes another one the default.
		req.Header.Set("X-GitHub-Api-Version", "2022-11-28")
		if call.body != nil {
			req.Header.Set("Content-Type", "application/json")
		}
		resp, err := hc.Do(req)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	})
}

// unknownToken describes an answer that says that GitHub doesn't know the access token.
func (a *answer) unknownToken(op string) *Error {
	if a.isPage() {
		return a.failed(op)
	}
	return &Error{
		Op: op, Status: a.status, Class: ErrSignInAgain, Description: a.message(),
		reason: "github does not take the access token",
	}
}
