// Package flapping finds sources that connect again and again, and bans each for a while.
//
// A source is a credential, a user or an address. Each is counted by itself, so that a storm of
// many sources bans nobody: all clients of a server that stops come back, but each of them
// once. A source that many connections share would still be over the limit then, so nothing is
// counted for a while after usher or a server has started, and after a server has gone.
//
// A credential and a user count only what was granted. Anybody can present the name of another
// one, and must not have it banned; so denied connects count for their address alone.
//
// It promises bounded memory, and that Granted and Decided return at once. It never decides
// about a connection: a ban does.
package flapping
