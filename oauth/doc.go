// Package oauth speaks to GitHub's OAuth endpoints and to nothing else: it builds the address where a
// visitor signs in, exchanges the code they come back with for a Token, refreshes, checks and revokes
// tokens, and asks whose they are.
//
// The steps of a sign-in, in order:
//
//  1. New makes a Client from a Config. Keep one for the life of the process.
//  2. NewState and NewVerifier make the two values that tie the visitor's browser to the attempt.
//     Keep both until the visitor is back.
//  3. Client.AuthorizeURL is where to send the visitor.
//  4. GitHub sends them to the redirect URL with a state, which must equal the one that was kept, and
//     with an error (see CallbackError) or a code.
//  5. Client.Exchange turns the code into a Token, Client.User says whose it is.
//  6. Before Token.Expiry, Client.Refresh gets the next Token. It is never done twice at once: a
//     refresh token works once.
//
// It holds for OAuth Apps and GitHub Apps, on github.com, Enterprise Server and GHE.com, see Host.
//
// Calls that fail return an *Error. What to do about it is its class, found with errors.Is:
// ErrStartAgain, ErrMisconfigured, ErrSignInAgain or ErrTryLater.
//
// The facts about GitHub in this package's comments come from the pages of docs.github.com that they
// name, "Authorizing OAuth apps" where none is named.
package oauth
