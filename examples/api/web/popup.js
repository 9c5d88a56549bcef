// The end of a sign-in in a window of its own. A channel and not window.opener: GitHub's pages may cut the tie to the opener.
new BroadcastChannel("sign-in").postMessage("signed in");
window.close();
