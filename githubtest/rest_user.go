package githubtest

import (
	"encoding/base64"
	"maps"
	"net/http"
	"strconv"
	"strings"
)

// getUser is GET /user. An OAuth App's token needs the scope user or read:user for the private part
// (GitHub docs, Get the authenticated user).
func (s *Server) getUser(c *call) answer {
	if c.token.kind == GitHubApp || allows(c.token.scopes, "read:user") {
		return ok(s.privateUser(c.user))
	}
	return ok(s.publicUser(c.user))
}

// getPublicUser is GET /users/{username}.
func (s *Server) getPublicUser(c *call) answer {
	u := s.userByLogin(c.r.PathValue("username"))
	if u == nil {
		return notFound()
	}
	return ok(s.publicUser(u))
}

// getEmails is GET /user/emails. A token without the scope gets 404.
func (s *Server) getEmails(c *call) answer {
	visibility := "private"
	if c.user.EmailPublic {
		visibility = "public"
	}
	return paginate(s, c, []any{map[string]any{
		"email": c.user.Email, "primary": true, "verified": !c.user.EmailUnverified, "visibility": visibility,
	}})
}

// getRepos is GET /user/repos. Private repositories need the scope repo.
func (s *Server) getRepos(c *call) answer {
	q := c.r.URL.Query()
	visibility := q.Get("visibility")
	if q.Has("type") && (q.Has("visibility") || q.Has("affiliation")) {
		return validationFailed("type can't be combined with visibility or affiliation")
	}
	if kind := q.Get("type"); kind == "public" || kind == "private" {
		visibility = kind
	}
	repos := []any{}
	for i, repo := range c.user.Repos {
		hidden := repo.Private && (!c.seesPrivate() || visibility == "public") || !repo.Private && visibility == "private"
		if !hidden {
			repos = append(repos, s.repository(c.user, repo, i))
		}
	}
	return paginate(s, c, repos)
}

// seesPrivate reports whether the call's token shows private repositories.
func (c *call) seesPrivate() bool { return c.token.kind == GitHubApp || allows(c.token.scopes, "repo") }

// getRateLimit is GET /rate_limit. Without limits it is 404, as on an Enterprise Server that has
// them off.
func (s *Server) getRateLimit(c *call) answer {
	b := c.bucket
	if b == nil {
		return notFound()
	}
	core := map[string]any{
		"limit": b.limit, "remaining": b.remaining(), "reset": b.reset.Unix(), "used": b.used,
	}
	other := func(limit int) map[string]any {
		return map[string]any{"limit": limit, "remaining": limit, "reset": b.reset.Unix(), "used": 0}
	}
	return ok(map[string]any{
		"resources": map[string]any{"core": core, "search": other(30), "graphql": other(b.limit)},
		"rate":      core,
	})
}

// getMeta is GET /meta, cut to what Enterprise Server says too.
func (s *Server) getMeta(*call) answer {
	return ok(map[string]any{"verifiable_password_authentication": false})
}

// getInstallations is GET /user/installations, for GitHub Apps only: it is how an app verifies an
// installation id that came by the browser (GitHub docs, About the setup URL).
func (s *Server) getInstallations(c *call) answer {
	if c.token.kind != GitHubApp {
		return apiError(http.StatusForbidden, "You must authenticate with an access token authorized to a GitHub App in order to list installations")
	}
	list := []any{}
	if inst := s.state.installs[grantKey{c.app.ClientID, c.user.ID}]; inst != nil {
		list = append(list, s.installationJSON(c.app, c.user, inst))
	}
	return ok(map[string]any{"total_count": len(list), "installations": list})
}

// userURLs are the links of an account by the last part of their names.
var userURLs = map[string]string{
	"url": "", "followers_url": "/followers", "following_url": "/following{/other_user}", "gists_url": "/gists{/gist_id}",
	"starred_url": "/starred{/owner}{/repo}", "subscriptions_url": "/subscriptions", "organizations_url": "/orgs",
	"repos_url": "/repos", "events_url": "/events{/privacy}", "received_events_url": "/received_events",
}

// simpleUser is the short description of an account; s.mu is held.
func (s *Server) simpleUser(u *user) map[string]any {
	m := map[string]any{
		"login": u.Login, "id": u.ID, "node_id": nodeID("User", u.ID), "gravatar_id": "", "type": "User",
		"avatar_url": s.base + "/_fake/avatars/" + itoa(u.ID), "html_url": s.base + "/" + u.Login,
		"site_admin": false, "user_view_type": "public",
	}
	for name, suffix := range userURLs {
		m[name] = s.base + "/api/v3/users/" + u.Login + suffix
	}
	return m
}

// publicUser is what everybody may see; s.mu is held.
func (s *Server) publicUser(u *user) map[string]any {
	public := 0
	for _, repo := range u.Repos {
		if !repo.Private {
			public++
		}
	}
	m := s.simpleUser(u)
	maps.Copy(m, map[string]any{
		"name": orNull(u.Name), "company": nil, "blog": "", "location": nil, "email": s.publicEmail(u), "hireable": nil,
		"bio": nil, "twitter_username": nil, "public_repos": public, "public_gists": 0, "followers": 0, "following": 0,
		"created_at": timestamp(u.created), "updated_at": timestamp(u.updated),
	})
	return m
}

// privateUser adds what only the user may see; s.mu is held.
func (s *Server) privateUser(u *user) map[string]any {
	m := s.publicUser(u)
	private := len(u.Repos) - m["public_repos"].(int) //nolint:forcetypeassert // set by publicUser
	maps.Copy(m, map[string]any{
		"user_view_type": "private", "private_gists": 0, "total_private_repos": private, "owned_private_repos": private,
		"disk_usage": 0, "collaborators": 0, "two_factor_authentication": true, "notification_email": u.Email,
		"plan": map[string]any{"name": "free", "space": 976562499, "collaborators": 0, "private_repos": 10000},
	})
	return m
}

// publicEmail is the address on the profile, which most people hide.
func (s *Server) publicEmail(u *user) any {
	if u.EmailPublic {
		return u.Email
	}
	return nil
}

// repositoryURLs are a repository's links below /repos/OWNER/NAME.
var repositoryURLs = map[string]string{
	"url": "", "archive_url": "/{archive_format}{/ref}", "assignees_url": "/assignees{/user}", "blobs_url": "/git/blobs{/sha}",
	"branches_url": "/branches{/branch}", "collaborators_url": "/collaborators{/collaborator}",
	"comments_url": "/comments{/number}", "commits_url": "/commits{/sha}", "compare_url": "/compare/{base}...{head}",
	"contents_url": "/contents/{+path}", "contributors_url": "/contributors", "deployments_url": "/deployments",
	"downloads_url": "/downloads", "events_url": "/events", "forks_url": "/forks", "git_commits_url": "/git/commits{/sha}",
	"git_refs_url": "/git/refs{/sha}", "git_tags_url": "/git/tags{/sha}", "hooks_url": "/hooks",
	"issue_comment_url": "/issues/comments{/number}", "issue_events_url": "/issues/events{/number}",
	"issues_url": "/issues{/number}", "keys_url": "/keys{/key_id}", "labels_url": "/labels{/name}",
	"languages_url": "/languages", "merges_url": "/merges", "milestones_url": "/milestones{/number}",
	"notifications_url": "/notifications{?since,all,participating}", "pulls_url": "/pulls{/number}",
	"releases_url": "/releases{/id}", "stargazers_url": "/stargazers", "statuses_url": "/statuses/{sha}",
	"subscribers_url": "/subscribers", "subscription_url": "/subscription", "tags_url": "/tags", "teams_url": "/teams",
	"trees_url": "/git/trees{/sha}",
}

// repository describes the number-th repository of a user's list; s.mu is held.
func (s *Server) repository(u *user, repo Repo, number int) map[string]any {
	owner := s.repoOwner(u, repo)
	login, _ := owner["login"].(string)
	fullName := login + "/" + repo.Name
	id := u.ID*1000 + int64(number)
	visibility := "public"
	if repo.Private {
		visibility = "private"
	}
	html := s.base + "/" + fullName
	m := map[string]any{
		"id": id, "node_id": nodeID("Repository", id), "name": repo.Name, "full_name": fullName, "owner": owner,
		"private": repo.Private, "visibility": visibility, "html_url": html, "description": orNull(repo.Description),
		"fork": false, "clone_url": html + ".git", "svn_url": html, "mirror_url": nil, "homepage": nil, "language": nil,
		"git_url": "git:" + strings.TrimPrefix(html, "http:") + ".git", "ssh_url": "git@127.0.0.1:" + fullName + ".git",
		"default_branch": "main", "archived": false, "disabled": false, "is_template": false, "topics": []string{},
		"has_downloads": true, "has_issues": true, "has_projects": true, "has_wiki": true, "has_pages": false,
		"has_discussions": false, "allow_forking": true, "web_commit_signoff_required": false, "license": nil, "size": 0,
		"forks": 0, "forks_count": 0, "open_issues": 0, "open_issues_count": 0, "stargazers_count": 0,
		"watchers": 0, "watchers_count": 0,
		"created_at": timestamp(u.created), "updated_at": timestamp(u.created), "pushed_at": timestamp(u.created),
		"permissions": map[string]any{"admin": true, "maintain": true, "push": true, "triage": true, "pull": true},
	}
	for name, suffix := range repositoryURLs {
		m[name] = s.base + "/api/v3/repos/" + fullName + suffix
	}
	return m
}

// repoOwner describes a repository's owner, who may be an organization; s.mu is held.
func (s *Server) repoOwner(u *user, repo Repo) map[string]any {
	if repo.Owner == "" {
		return s.simpleUser(u)
	}
	if other := s.userByLogin(repo.Owner); other != nil {
		return s.simpleUser(other)
	}
	id := orgID(repo.Owner)
	owner := s.simpleUser(&user{User: User{ID: id, Login: repo.Owner}})
	owner["type"], owner["node_id"] = "Organization", nodeID("Organization", id)
	return owner
}

// installationJSON describes an installation; s.mu is held.
func (s *Server) installationJSON(a *app, u *user, inst *installation) map[string]any {
	api := s.base + "/api/v3"
	return map[string]any{
		"id": inst.id, "account": s.simpleUser(u), "app_id": a.id, "app_slug": a.Slug, "client_id": a.ClientID,
		"target_id": u.ID, "target_type": "User", "repository_selection": "all", "single_file_name": nil,
		"access_tokens_url": api + "/app/installations/" + itoa(inst.id) + "/access_tokens",
		"repositories_url":  api + "/installation/repositories",
		"html_url":          s.base + "/settings/installations/" + itoa(inst.id),
		"permissions":       map[string]any{"metadata": "read"}, "events": []string{},
		"created_at": timestamp(inst.created), "updated_at": timestamp(inst.updated),
		"suspended_at": nil, "suspended_by": nil,
	}
}

// nodeID is an opaque id in the form of GitHub's.
func nodeID(kind string, id int64) string {
	return base64.StdEncoding.EncodeToString([]byte("0" + strconv.Itoa(len(kind)) + ":" + kind + itoa(id)))
}

// orNull is null for what is empty.
func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
