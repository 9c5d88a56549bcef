package githubtest

import (
	"slices"
	"strings"
	"time"
)

// User is an account at the fake GitHub.
type User struct {
	// ID is the account's number, which never changes; made up when zero.
	ID int64
	// Login is the account's name, unique without regard to case.
	Login string
	// Name is the display name; null in answers when empty.
	Name string
	// Email is the primary address; LOGIN@users.noreply.example when empty.
	Email string
	// EmailUnverified makes sign-in fail with unverified_user_email.
	EmailUnverified bool
	// EmailPublic shows Email on the profile. Without it the email in /user is null, as for most
	// people at GitHub, and only /user/emails tells it.
	EmailPublic bool
	// Orgs are the user's organization memberships.
	Orgs []OrgMembership
	// Teams are the user's team memberships.
	Teams []TeamMembership
	// Repos are the repositories that /user/repos lists for the user.
	Repos []Repo
}

// OrgMembership is a user's place in an organization.
type OrgMembership struct {
	// Org is the organization's login.
	Org string
	// Role is "member" (also when empty) or "admin".
	Role string
	// State is "active" (also when empty) or "pending".
	State string
}

// TeamMembership is a user's place in a team. It counts only with the team's organization among the user's Orgs: at GitHub
// nobody is in a team without being in its organization.
type TeamMembership struct {
	// Org is the organization's login.
	Org string
	// Team is the team's slug.
	Team string
	// Role is "member" (also when empty) or "maintainer".
	Role string
	// State is "active" (also when empty) or "pending".
	State string
}

// Repo is a repository in a user's list.
type Repo struct {
	// Owner is a user's or organization's login; the user's own when empty.
	Owner string
	// Name is the repository's name.
	Name string
	// Description may be empty.
	Description string
	// Private repositories need the scope repo.
	Private bool
}

// demoUsers are there when nobody registered another one.
func demoUsers() []User {
	return []User{
		{
			ID: 583231, Login: "octocat", Name: "The Octocat", Email: "octocat@github.example", EmailPublic: true,
			Orgs:  []OrgMembership{{Org: "octo-org", Role: "admin"}},
			Teams: []TeamMembership{{Org: "octo-org", Team: "justice-league", Role: "maintainer"}},
			Repos: []Repo{
				{Name: "hello-world", Description: "My first repository"},
				{Name: "spoon-knife", Description: "For people to fork"},
				{Name: "secret-plans", Description: "Nobody else sees this", Private: true},
				{Owner: "octo-org", Name: "octo-repo", Description: "The organization's"},
			},
		},
		{
			ID: 480938, Login: "hubot", Name: "Hubot", Email: "hubot@github.example",
			Orgs:  []OrgMembership{{Org: "octo-org"}},
			Repos: []Repo{{Name: "scripts", Description: "What a robot does all day"}},
		},
		{ID: 1024025, Login: "monalisa", Name: "Mona Lisa Octocat", Email: "monalisa@github.example"},
	}
}

// user is an account with its times.
type user struct {
	User
	created, updated time.Time
	blocked          blocklist
}

// WithUser adds an account; see [Server.AddUser]. With one or more, the demo users octocat, hubot
// and monalisa are not there.
func WithUser(u User) Option { return func(s *Server) { s.AddUser(u) } }

// AddUser adds an account, or replaces the one with the same ID, for example without an
// organization that the user has left. Tokens are not touched. It panics on a login that is empty
// or belongs to another account.
func (s *Server) AddUser(u User) {
	if u.Login == "" {
		panic("githubtest: a user without login")
	}
	u.Orgs, u.Teams, u.Repos = slices.Clone(u.Orgs), slices.Clone(u.Teams), slices.Clone(u.Repos)
	s.mu.Lock()
	defer s.mu.Unlock()
	for u.ID == 0 {
		s.lastUserID++
		if s.users[s.lastUserID] == nil {
			u.ID = s.lastUserID
		}
	}
	if u.Email == "" {
		u.Email = u.Login + "@users.noreply.example"
	}
	if other := s.userByLogin(u.Login); other != nil && other.ID != u.ID {
		panic("githubtest: login " + u.Login + " is taken")
	}
	now := time.Now().UTC()
	reg := s.users[u.ID]
	if reg == nil {
		reg = &user{created: now}
		s.users[u.ID] = reg
		s.userOrder = append(s.userOrder, u.ID)
	}
	reg.User, reg.updated = u, now
}

// User returns a copy of an account, to be changed and given to [Server.AddUser]. It panics on an unknown
// login.
func (s *Server) User(login string) User {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.mustUser(login).User
	u.Orgs, u.Teams, u.Repos = slices.Clone(u.Orgs), slices.Clone(u.Teams), slices.Clone(u.Repos)
	return u
}

// RenameUser gives the account another login; its ID, tokens and grants stay. At GitHub the old
// login is free at once for somebody else. It panics on an unknown id and on a login that is taken.
func (s *Server) RenameUser(id int64, login string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.users[id]
	if u == nil {
		panic("githubtest: no such user")
	}
	if other := s.userByLogin(login); login == "" || other != nil && other.ID != id {
		panic("githubtest: login " + login + " is empty or taken")
	}
	u.Login, u.updated = login, time.Now().UTC()
}

// SignInAs lets authorize requests go through without the page, at once and as this user, as GitHub
// does for a person who is signed in there and authorized the app before. The empty string brings
// the page back. It panics on an unknown login.
func (s *Server) SignInAs(login string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.autoUser = 0
	if login != "" {
		s.autoUser = s.mustUser(login).ID
	}
}

// mustUser returns an account or panics; s.mu is held.
func (s *Server) mustUser(login string) *user {
	u := s.userByLogin(login)
	if u == nil {
		panic("githubtest: no user with login " + login)
	}
	return u
}

// userByLogin finds an account without regard to case; s.mu is held.
func (s *Server) userByLogin(login string) *user {
	for _, u := range s.users {
		if strings.EqualFold(u.Login, login) {
			return u
		}
	}
	return nil
}
