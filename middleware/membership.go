package middleware

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/ghlogin/ghlogin/oauth"
)

// membership is a place to be in.
type membership struct{ org, team string }

func (m membership) String() string { return strings.TrimSuffix(m.org+"/"+m.team, "/") }

// Ask asks GitHub for the user's own membership by the organization's name. It is one answer about one user, where a list
// would come in pages; and it says whose it is, by the number.
func (m membership) Ask(ctx context.Context, id Identity) error {
	var org struct {
		State        string `json:"state"`
		Organization struct {
			Login string `json:"login"`
		} `json:"organization"`
		User *oauth.User `json:"user"`
	}
	found, err := m.get(ctx, id, "user/memberships/orgs/"+url.PathEscape(m.org), &org)
	if err != nil {
		return err
	}
	switch {
	case !found:
		return &Refusal{}
	case !strings.EqualFold(org.Organization.Login, m.org) || org.User == nil || org.User.ID != id.User.ID || org.User.Login == "":
		return fmt.Errorf("github's answer about %s is about somebody or something else", m)
	case org.State == "pending":
		return &Refusal{
			Reason: "You were invited to the organization " + m.org + " and have not accepted yet. Accept the invitation at GitHub, then sign in again.",
			URL:    webOf(id) + "/orgs/" + url.PathEscape(m.org) + "/invitation",
		}
	case org.State != "active":
		return &Refusal{}
	case m.team == "":
		return nil
	}

	// A team's members are asked for by login. The one of the sign-in may be another account's by now, so this is the one
	// that GitHub has just said.
	var team struct {
		State string `json:"state"`
	}
	found, err = m.get(ctx, id, "orgs/"+url.PathEscape(m.org)+"/teams/"+url.PathEscape(m.team)+"/memberships/"+url.PathEscape(org.User.Login), &team)
	if err == nil && (!found || team.State != "active") {
		err = &Refusal{}
	}
	return err
}

// maxMembership bounds an answer in bytes.
const maxMembership = 1 << 20

// get makes the call and reads its answer into v. It reports false where GitHub says that there is no such thing.
func (m membership) get(ctx context.Context, id Identity, path string, v any) (bool, error) {
	host := orGitHub(id.Host)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, host.API+path, nil)
	if err != nil {
		return false, err
	}
	req.Header.Set("Accept", "application/vnd.github+json")
	req.Header.Set("X-GitHub-Api-Version", "2022-11-28")
	client := *id.HTTPClient
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // Elsewhere is another question.
	resp, err := client.Do(req)
	if err != nil {
		return false, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxMembership))
	if err != nil {
		return false, err
	}
	if resp.StatusCode == http.StatusOK {
		if json.Unmarshal(body, v) != nil {
			return false, fmt.Errorf("github's answer about %s can't be read", m)
		}
		return true, nil
	}
	return false, m.explain(id, resp, body)
}

// explain tells a no from what is none: nil is "there is no such thing". Whatever is not known for certain is not.
func (m membership) explain(id Identity, resp *http.Response, body []byte) error {
	var said struct {
		Message string `json:"message"`
		Docs    string `json:"documentation_url"`
	}
	// Every error of GitHub's API has both (GitHub docs, "Troubleshooting the REST API"); a gateway's in front of it hasn't.
	isGitHubs := json.Unmarshal(body, &said) == nil && said.Message != "" && said.Docs != ""
	unknown := fmt.Errorf("github answered status %d about %s", resp.StatusCode, m)
	h := resp.Header
	switch {
	case !isGitHubs, resp.StatusCode != http.StatusForbidden && resp.StatusCode != http.StatusNotFound:
		return unknown
	case resp.StatusCode == http.StatusForbidden && isRateLimit(h, said.Message):
		return fmt.Errorf("the user's rate limit at github is used up: %w", unknown)
	case strings.HasPrefix(h.Get("X-GitHub-SSO"), "required"):
		return &Refusal{Kind: KindSSO, URL: ssoURL(id, m.org, h.Get("X-GitHub-SSO"))}
	case h.Values("X-OAuth-Scopes") != nil && len(oauth.MissingScopes(headerList(h, "X-OAuth-Scopes"), []string{"read:org"})) > 0:
		return &Refusal{Kind: KindHidden, MissingScopes: []string{"read:org"}} // GitHub Apps have no scopes, nor the header.
	case resp.StatusCode == http.StatusNotFound:
		return nil
	case strings.Contains(said.Message, "not accessible by integration"), strings.Contains(said.Message, "OAuth App access restrictions"):
		return &Refusal{Kind: KindNotApproved}
	case strings.HasPrefix(said.Message, "You must be a member"):
		return nil
	}
	return unknown
}

// isRateLimit goes by what GitHub's docs say of a 403, "Rate limits for the REST API", and by the text of the secondary limits.
func isRateLimit(h http.Header, message string) bool {
	return h.Get("Retry-After") != "" || h.Get("X-RateLimit-Remaining") == "0" || strings.Contains(strings.ToLower(message), "rate limit")
}

// ssoURL is the page at which to sign on: the one that GitHub names, if it is GitHub's, or else the organization's own (GitHub
// docs, "SAML and GitHub Apps").
func ssoURL(id Identity, org, header string) string {
	web := webOf(id)
	for part := range strings.SplitSeq(header, ";") {
		if to, ok := strings.CutPrefix(strings.TrimSpace(part), "url="); ok && strings.HasPrefix(to, web+"/") {
			return to
		}
	}
	return web + "/orgs/" + url.PathEscape(org) + "/sso"
}

func headerList(h http.Header, name string) []string {
	return fields(strings.Join(h.Values(name), ","))
}

func webOf(id Identity) string { return orGitHub(id.Host).Web }
