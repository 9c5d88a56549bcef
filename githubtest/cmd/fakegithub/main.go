// Command fakegithub runs the fake GitHub of package githubtest as a program, for trying out an app
// without GitHub.
//
//	go run ./githubtest/cmd/fakegithub -addr 127.0.0.1:9090
//
// It prints what to set in the environment of the app, and runs until it is interrupted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/ghlogin/ghlogin/githubtest"
)

// Client ids as GitHub makes them for the two kinds of app, whose beginnings tell them apart.
const (
	oauthAppID  = "Ov23liFakeGitHubDemo"
	githubAppID = "Iv23liFakeGitHubDemo"
)

// Exit statuses.
const (
	exitOK    = 0
	exitFail  = 1 // the address can't be bound
	exitUsage = 2 // a flag is wrong
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run serves until ctx ends and returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	conf, err := parse(args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		// One line even where several things are wrong, which is joined by newlines.
		message := strings.ReplaceAll(err.Error(), "\n", "; ")
		_, _ = fmt.Fprintf(stderr, "fakegithub: %s (-h lists the flags)\n", message)
		return exitUsage
	}
	server, app := conf.server()
	if err := server.Listen(conf.addr); err != nil {
		_, _ = fmt.Fprintf(stderr, "fakegithub: %v\n", err)
		return exitFail
	}
	defer server.Close()
	announce(stdout, server, app)
	<-ctx.Done()
	_, _ = fmt.Fprintln(stdout, "stopped")
	return exitOK
}

// server sets up what the flags say. It does not listen yet.
func (c config) server() (*githubtest.Server, githubtest.App) {
	server := githubtest.New()
	c.app.ReadsMembers = len(c.orgs) > 0 // Or a GitHub App would not see who belongs to them.
	app := server.AddApp(c.app)
	for _, o := range c.orgs {
		for _, login := range o.members {
			u := server.User(login)
			u.Orgs = append(u.Orgs, githubtest.OrgMembership{Org: o.name})
			server.AddUser(u)
		}
	}
	if c.signInAs != "" {
		server.SignInAs(c.signInAs)
	}
	return server, app
}

// announce prints the environment for the app under test. The secret is one of a fake, made to be
// printed.
func announce(w io.Writer, server *githubtest.Server, app githubtest.App) {
	hook := ""
	if app.WebhookSecret != "" {
		hook = "export GITHUB_WEBHOOK_SECRET=" + app.WebhookSecret + "\n"
	}
	_, _ = fmt.Fprintf(w, `Fake GitHub for tests, with the %s %q. Set in the environment of your app:

export GITHUB_BASE_URL=%s
export GITHUB_API_URL=%s
export GITHUB_CLIENT_ID=%s
export GITHUB_CLIENT_SECRET=%s
export GITHUB_REDIRECT_URL=%s
%s
Callback: %s
Users: octocat, hubot, monalisa. Stop with Ctrl-C.
`, app.Kind, app.Name, server.URL(), server.APIURL(), app.ClientID, app.Secrets[0], app.Callbacks[0], hook, strings.Join(app.Callbacks, ", "))
	if app.Kind == githubtest.GitHubApp {
		_, _ = fmt.Fprintf(w, "Install page: %s/apps/%s/installations/new\n", server.URL(), app.Slug)
		if app.WebhookURL != "" {
			_, _ = fmt.Fprintf(w, "Withdraw access, which sends a webhook: %s/settings/connections/applications/%s\n", server.URL(), app.ClientID)
		}
	}
}

// config is what the flags say.
type config struct {
	addr     string
	app      githubtest.App
	signInAs string
	orgs     []org
}

// org is who belongs to an organization.
type org struct {
	name    string
	members []string
}

// addOrg reads a value of -org.
func (c *config) addOrg(value string) error {
	name, users, _ := strings.Cut(value, "=")
	members := strings.Split(users, ",")
	if name == "" || slices.ContainsFunc(members, func(login string) bool { return !isUser(login) }) {
		return errors.New("write a name and who belongs to it, of octocat, hubot and monalisa, such as acme=octocat,hubot")
	}
	c.orgs = append(c.orgs, org{name, members})
	return nil
}

// isUser says whether a login is one of githubtest's demo users.
func isUser(login string) bool { return login == "octocat" || login == "hubot" || login == "monalisa" }

// parse reads the flags. Help goes to usage, all other output is the caller's.
func parse(args []string, usage io.Writer) (config, error) {
	var conf config
	var kind, secrets, callbacks string
	flags := flag.NewFlagSet("fakegithub", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&conf.addr, "addr", "127.0.0.1:9090", "`address` to listen on; port 0 finds a free one")
	flags.StringVar(&conf.app.ClientID, "client-id", oauthAppID, "client `id` of the app; "+githubAppID+" for a GitHub App")
	flags.StringVar(&secrets, "client-secret", "not-a-secret-fakegithub-demo", "client `secret`, or several with commas between")
	flags.StringVar(&callbacks, "callback", "http://127.0.0.1:8080/auth/github/callback", "callback `URL`, or several with commas between")
	flags.StringVar(&kind, "kind", "oauth", "`kind` of app: oauth (OAuth App) or github (GitHub App)")
	flags.StringVar(&conf.app.Name, "name", "Demo app", "`name` of the app on the authorize page")
	flags.BoolVar(&conf.app.NoExpiry, "no-expiry", false, "issue tokens that never expire")
	flags.DurationVar(&conf.app.TokenLife, "token-life", githubtest.DefaultTokenLife, "`life` of an access token")
	flags.DurationVar(&conf.app.RefreshLife, "refresh-life", githubtest.DefaultRefreshLife, "`life` of a refresh token")
	flags.StringVar(&conf.app.WebhookURL, "webhook-url", "", "`URL` for webhooks of a GitHub App")
	flags.StringVar(&conf.app.WebhookSecret, "webhook-secret", "", "secret that signs webhooks")
	flags.Func("org", "`organization=users`, such as acme=octocat,hubot, who belong to it; may be given several times", conf.addOrg)
	flags.StringVar(&conf.signInAs, "sign-in-as", "", "skip the authorize page and sign in as this `login`")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			_, _ = fmt.Fprintln(usage, "fakegithub runs a strict fake GitHub for trying out apps.")
			flags.SetOutput(usage)
			flags.PrintDefaults()
		}
		return config{}, err
	}
	idGiven := false
	flags.Visit(func(f *flag.Flag) { idGiven = idGiven || f.Name == "client-id" })
	if kind == "github" && !idGiven {
		conf.app.ClientID = githubAppID
	}
	conf.app.Secrets, conf.app.Callbacks = strings.Split(secrets, ","), strings.Split(callbacks, ",")
	return conf, conf.check(flags.Args(), kind)
}

// check reports all that is wrong at once.
func (c *config) check(rest []string, kind string) error {
	var errs []error
	if len(rest) > 0 {
		errs = append(errs, fmt.Errorf("unexpected argument %q", rest[0]))
	}
	switch kind {
	case "oauth":
	case "github":
		c.app.Kind = githubtest.GitHubApp
	default:
		errs = append(errs, fmt.Errorf("-kind is oauth or github, not %q", kind))
	}
	if c.signInAs != "" && !isUser(c.signInAs) {
		errs = append(errs, fmt.Errorf("-sign-in-as is octocat, hubot or monalisa, not %q", c.signInAs))
	}
	if c.app.ClientID == "" {
		errs = append(errs, errors.New("-client-id is empty"))
	}
	if c.app.TokenLife == 0 || c.app.RefreshLife == 0 {
		errs = append(errs, errors.New("-token-life and -refresh-life must be more than 0; for tokens without end use -no-expiry"))
	}
	return errors.Join(append(errs, c.app.Validate())...)
}
