/* SPDX-License-Identifier: ISC */
/*
 * tool/sessions_protocol.h - the built-in service "sojourn-sessions"
 *
 * Lets a user see and end the logins of his own that the server holds in its
 * store. The client writes requests, a line each, and ends its direction; the
 * server answers in order and then ends its own. Lines end with \n and have at
 * most SESSIONS_LINE_MAX bytes with it; a longer one, or an unknown word, is
 * answered with an error line and nothing after it.
 *
 *   list        one object for every live login of the session's user:
 *               {"id":"0123456789abcdef","user":"alice","from":"192.0.2.1",
 *                "since":1700000000,"expires":1700086400,"application":"",
 *                "mechanism":"publickey","credential":"ssh-ed25519 SHA256:.."}
 *               (times in seconds since 1970), then {"listed":2}
 *   end ID      ID: 16 hexadecimal digits. The login is ended, as by a
 *               revocation, once that is stored: {"ended":"0123456789abcdef"}
 *   errors      {"error":"SJ_ERR_ARGUMENT","text":"no such login"}; SJ_ERR_*
 *               as in sojourn.h. A login of another user is "no such login".
 *
 * All objects are flat. Unknown names in them are to be ignored.
 */
#ifndef SOJOURN_TOOL_SESSIONS_PROTOCOL_H
#define SOJOURN_TOOL_SESSIONS_PROTOCOL_H

#define SESSIONS_SERVICE "sojourn-sessions"
#define SESSIONS_LINE_MAX 2048

#endif
