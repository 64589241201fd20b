// Whole answers, short ones. Knows HEAD; nothing of paths.
import type { IncomingMessage, ServerResponse } from 'node:http'

/** One plain line. */
export function sendText(request: IncomingMessage, response: ServerResponse, status: number, line: string): void {
  send(request, response, status, 'text/plain; charset=utf-8', `${line}\n`)
}

export function send(request: IncomingMessage, response: ServerResponse, status: number, type: string, text: string): void {
  const body = Buffer.from(text)
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': body.length })
  response.end(request.method === 'HEAD' ? undefined : body)
}
