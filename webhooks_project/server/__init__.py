"""The web process: reads requests whole on an event loop and hands them on; see docs/adr/0020-the-web-process.md.

`connection` reads and writes HTTP/1.1 with deadlines; `publishing` answers on the loop; `pages` is Django on threads;
`processes` starts as many of these processes as asked for, and ends them. Nothing here knows the product's routes but
`routes`.
"""
