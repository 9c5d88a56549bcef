package githubtest

import (
	"hash/fnv"
	"maps"
	"net/http"
	"strings"
)

// getOrgs is GET /user/orgs: the organizations where the user is an active member.
func (s *Server) getOrgs(c *call) answer {
	orgs := []any{}
	for _, m := range c.user.Orgs {
		if m.state() == "active" {
			orgs = append(orgs, s.orgJSON(m.Org))
		}
	}
	return paginate(s, c, orgs)
}

// getTeams is GET /user/teams.
func (s *Server) getTeams(c *call) answer {
	teams := []any{}
	for _, t := range c.user.Teams {
		if orDefault(t.State, "active") == "active" {
			teams = append(teams, s.teamJSON(c.user, t))
		}
	}
	return paginate(s, c, teams)
}

// getMemberships is GET /user/memberships/orgs.
func (s *Server) getMemberships(c *call) answer {
	want := c.r.URL.Query().Get("state")
	if want != "" && want != "active" && want != "pending" {
		return validationFailed("state is active or pending")
	}
	list := []any{}
	for _, m := range c.user.Orgs {
		if want == "" || m.state() == want {
			list = append(list, s.membershipJSON(c.user, m))
		}
	}
	return paginate(s, c, list)
}

// getMembership is GET /user/memberships/orgs/{org}.
func (s *Server) getMembership(c *call) answer {
	m := c.user.orgMembership(c.r.PathValue("org"))
	if m == nil {
		return notFound()
	}
	return ok(s.membershipJSON(c.user, *m))
}

// getOrgMembership is GET /orgs/{org}/memberships/{username}, for members of the organization only.
func (s *Server) getOrgMembership(c *call) answer {
	org := c.r.PathValue("org")
	if !c.user.activeIn(org) {
		return apiError(http.StatusForbidden, "You must be a member of "+org+" to see membership information for this user.")
	}
	u := s.userByLogin(c.r.PathValue("username"))
	if u == nil {
		return notFound()
	}
	m := u.orgMembership(org)
	if m == nil {
		return notFound()
	}
	return ok(s.membershipJSON(u, *m))
}

// getMember is GET /orgs/{org}/members/{username}: 204 for a member, 404 for somebody else, and 302
// to the public members if the caller is no member.
func (s *Server) getMember(c *call) answer {
	org, username := c.r.PathValue("org"), c.r.PathValue("username")
	if !c.user.activeIn(org) {
		return answer{status: http.StatusFound, header: http.Header{
			"Location": {s.base + "/api/v3/orgs/" + org + "/public_members/" + username},
		}}
	}
	if u := s.userByLogin(username); u == nil || !u.activeIn(org) {
		return notFound()
	}
	return answer{status: http.StatusNoContent}
}

// getTeamMembership is GET /orgs/{org}/teams/{team}/memberships/{username}. Who can't see the team
// gets 404.
func (s *Server) getTeamMembership(c *call) answer {
	org, team := c.r.PathValue("org"), c.r.PathValue("team")
	u := s.userByLogin(c.r.PathValue("username"))
	if u == nil || !c.user.activeIn(org) {
		return notFound()
	}
	for _, t := range u.Teams {
		if strings.EqualFold(t.Org, org) && strings.EqualFold(t.Team, team) {
			return ok(map[string]any{
				"role": orDefault(t.Role, "member"), "state": orDefault(t.State, "active"),
				"url": s.base + "/api/v3/organizations/" + itoa(orgID(t.Org)) + "/team/" + itoa(orgID(t.Org+"/"+t.Team)) +
					"/memberships/" + u.Login,
			})
		}
	}
	return notFound()
}

func (m OrgMembership) state() string { return orDefault(m.State, "active") }

// orgMembership finds the user's place in an organization, or nil.
func (u *user) orgMembership(org string) *OrgMembership {
	for i := range u.Orgs {
		if strings.EqualFold(u.Orgs[i].Org, org) {
			return &u.Orgs[i]
		}
	}
	return nil
}

// activeIn reports whether the user is an active member.
func (u *user) activeIn(org string) bool {
	m := u.orgMembership(org)
	return m != nil && m.state() == "active"
}

// orgJSON is the short description of an organization; s.mu is held.
func (s *Server) orgJSON(login string) map[string]any {
	id := orgID(login)
	url := s.base + "/api/v3/orgs/" + login
	return map[string]any{
		"login": login, "id": id, "node_id": nodeID("Organization", id), "url": url, "description": nil,
		"repos_url": url + "/repos", "events_url": url + "/events", "hooks_url": url + "/hooks", "issues_url": url + "/issues",
		"members_url": url + "/members{/member}", "public_members_url": url + "/public_members{/member}",
		"avatar_url": s.base + "/_fake/avatars/" + itoa(id),
	}
}

// membershipJSON describes a user's place in an organization; s.mu is held.
func (s *Server) membershipJSON(u *user, m OrgMembership) map[string]any {
	url := s.base + "/api/v3/orgs/" + m.Org
	return map[string]any{
		"url": url + "/memberships/" + u.Login, "state": m.state(), "role": orDefault(m.Role, "member"),
		"organization_url": url, "organization": s.orgJSON(m.Org), "user": s.simpleUser(u),
	}
}

// teamJSON is the long description of a team; s.mu is held.
func (s *Server) teamJSON(u *user, t TeamMembership) map[string]any {
	id, org := orgID(t.Org+"/"+t.Team), s.orgJSON(t.Org)
	url := s.base + "/api/v3/organizations/" + itoa(orgID(t.Org)) + "/team/" + itoa(id)
	created := timestamp(u.created)
	maps.Copy(org, map[string]any{
		"html_url": s.base + "/" + t.Org, "has_organization_projects": true, "has_repository_projects": true,
		"public_repos": 0, "public_gists": 0, "followers": 0, "following": 0, "type": "Organization",
		"created_at": created, "updated_at": created, "archived_at": nil,
	})
	return map[string]any{
		"id": id, "node_id": nodeID("Team", id), "url": url, "html_url": s.base + "/orgs/" + t.Org + "/teams/" + t.Team,
		"name": t.Team, "slug": t.Team, "description": nil, "privacy": "closed", "permission": "pull", "type": "organization",
		"organization_id":      orgID(t.Org),
		"notification_setting": "notifications_enabled", "members_url": url + "/members{/member}",
		"repositories_url": url + "/repos", "parent": nil, "members_count": 1, "repos_count": 0,
		"created_at": created, "updated_at": created, "organization": org,
	}
}

// orgID makes a steady number out of a name, since organizations have no registration here.
func orgID(name string) int64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(strings.ToLower(name)))
	return int64(h.Sum32()) + 1
}

func orDefault(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return text
}
