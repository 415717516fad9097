// Package users holds the routes of the management API about users, their keys, and the
// members of projects.
//
// It promises that an administrator of one project learns nothing about users outside of
// it: a user that it cannot add looks like one that does not exist. A key is in the
// response that creates it and nowhere else; the directory keeps its digest.
package users
