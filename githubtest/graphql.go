package githubtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// graphQL is POST /graphql (POST /api/graphql on Enterprise Server). It knows the viewer with plain fields, and their
// repositories; of the language it knows a query with fields, arguments and variables. Anything else is an error, not
// an answer that GitHub would not give.
func (s *Server) graphQL(c *call) answer {
	var body struct {
		Query     string         `json:"query"`
		Variables map[string]any `json:"variables"`
	}
	if err := json.Unmarshal(c.body, &body); err != nil {
		return apiError(http.StatusBadRequest, "Problems parsing JSON")
	}
	q := graphQuery{words: graphWord.FindAllString(body.Query, -1), variables: body.Variables}
	root, err := q.document()
	if err != nil {
		return graphQLError(err)
	}
	data, err := root.pick("Query", map[string]any{"viewer": c.user})
	if err == nil {
		data["viewer"], err = s.viewer(c, root.child("viewer"))
	}
	if err != nil {
		return graphQLError(err)
	}
	return ok(map[string]any{"data": data})
}

// viewer is the type User, for the user who asks.
func (s *Server) viewer(c *call, want graphField) (map[string]any, error) {
	u := c.user
	viewer, err := want.pick("User", map[string]any{
		"__typename": "User", "login": u.Login, "databaseId": u.ID, "id": nodeID("User", u.ID), "name": orNull(u.Name),
		"url": s.base + "/" + u.Login, "email": s.publicEmail(u), "repositories": nil,
	})
	repos := want.child("repositories")
	if err != nil || repos.name == "" {
		return viewer, err
	}
	first, ok := repos.arguments["first"].(float64)
	if !ok || first < 1 || first > 100 || len(repos.arguments) > 1 {
		return nil, errors.New("you must provide a `first` value from 1 to 100 to page through the `repositories` connection")
	}
	visible := slices.DeleteFunc(slices.Clone(u.Repos), func(r Repo) bool { return r.Private && !c.seesPrivate() })
	connection, err := repos.pick("RepositoryConnection", map[string]any{"totalCount": len(visible), "nodes": nil})
	if err != nil {
		return nil, err
	}
	if nodes := repos.child("nodes"); nodes.name != "" {
		list := []any{}
		for _, r := range visible[:min(int(first), len(visible))] {
			owner := orDefault(r.Owner, u.Login)
			node, err := nodes.pick("Repository", map[string]any{
				"name": r.Name, "nameWithOwner": owner + "/" + r.Name, "isPrivate": r.Private, "description": orNull(r.Description),
				"url": s.base + "/" + owner + "/" + r.Name,
			})
			if err != nil {
				return nil, err
			}
			list = append(list, node)
		}
		connection["nodes"] = list
	}
	viewer["repositories"] = connection
	return viewer, nil
}

// graphQLError has the status 200 like all of GraphQL.
func graphQLError(err error) answer {
	return ok(map[string]any{"errors": []any{map[string]any{"message": err.Error()}}})
}

// graphField is one field of a query.
type graphField struct {
	name      string
	arguments map[string]any
	children  []graphField
}

func (f graphField) child(name string) graphField {
	for _, c := range f.children {
		if c.name == name {
			return c
		}
	}
	return graphField{}
}

// pick returns those of a type's fields that are asked for.
func (f graphField) pick(typ string, fields map[string]any) (map[string]any, error) {
	picked := map[string]any{}
	for _, c := range f.children {
		value, ok := fields[c.name]
		if !ok {
			return nil, fmt.Errorf("the fake knows no field '%s' on type '%s'", c.name, typ)
		}
		picked[c.name] = value
	}
	if len(picked) == 0 {
		return nil, fmt.Errorf("field must have selections ('%s' returns %s but has no selections)", f.name, typ)
	}
	return picked, nil
}

// graphQuery is what is left of a query.
type graphQuery struct {
	words     []string
	variables map[string]any
}

var graphWord = regexp.MustCompile(`[A-Za-z_]\w*|\$\w+|-?\d+|[^\s,]`)

// next takes a word if it is the one that is wanted.
func (q *graphQuery) next(want string) bool {
	if len(q.words) == 0 || q.words[0] != want {
		return false
	}
	q.words = q.words[1:]
	return true
}

// document is a whole query: query NAME($variable: TYPE!) { fields }, where all before the fields may be left out.
func (q *graphQuery) document() (root graphField, err error) {
	if text := strings.Join(q.words, " "); strings.HasPrefix(text, "query") {
		_, fields, _ := strings.Cut(text, "{")
		q.words = strings.Fields("{ " + fields)
	}
	root = graphField{name: "query"}
	if root.children, err = q.selection(); err == nil && len(q.words) > 0 {
		err = fmt.Errorf("the fake doesn't understand %q", q.words[0])
	}
	return root, err
}

func (q *graphQuery) selection() (fields []graphField, err error) {
	if !q.next("{") {
		return nil, errors.New("the fake knows only queries such as { viewer { login } }")
	}
	for !q.next("}") {
		if len(q.words) == 0 || !graphName.MatchString(q.words[0]) {
			return nil, errors.New("expected a field's name or }")
		}
		f := graphField{name: q.words[0]}
		q.words = q.words[1:]
		if f.arguments, err = q.arguments(); err != nil {
			return nil, err
		}
		if len(q.words) > 0 && q.words[0] == "{" {
			if f.children, err = q.selection(); err != nil {
				return nil, err
			}
		}
		fields = append(fields, f)
	}
	return fields, nil
}

var graphName = regexp.MustCompile(`^[A-Za-z_]\w*$`)

func (q *graphQuery) arguments() (map[string]any, error) {
	arguments := map[string]any{}
	if !q.next("(") {
		return arguments, nil
	}
	for !q.next(")") {
		if len(q.words) < 3 || q.words[1] != ":" {
			return nil, errors.New("expected name: value or )")
		}
		name, value := q.words[0], q.words[2]
		q.words = q.words[3:]
		if variable, ok := strings.CutPrefix(value, "$"); ok {
			arguments[name] = q.variables[variable]
		} else if n, err := strconv.ParseFloat(value, 64); err == nil {
			arguments[name] = n
		} else {
			return nil, fmt.Errorf("the fake takes numbers and variables for arguments, not %q", value)
		}
	}
	return arguments, nil
}
