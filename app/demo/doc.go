// Package demo is "usher dev": a nats-server and usher in one process, with a directory of
// example identities, a stream and a consumer, in one folder.
//
// A first run creates the files; later runs use them again. It changes no folder that
// another command created, and no directory that the user has edited. It is for trying
// usher: the tokens of all identities are in the folder.
package demo
