package dn

// Parse is parse.
var Parse = parse
