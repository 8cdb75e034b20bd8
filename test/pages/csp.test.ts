// The Content-Security-Policy of the pages.
import test from 'ava';
import { contentSecurityPolicy } from '../../src/pages/csp.ts';

const name = 'Kindred';

test('by default the policy allows no scripts, no framing, and forms only to this server', (t) => {
  t.is(
    contentSecurityPolicy({ name }),
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  );
});

function directive(policy: string, wanted: string): string | undefined {
  return policy.split('; ').find((one) => one.startsWith(wanted));
}

test('pictures may come from the origins of the brand’s and the client’s logos', (t) => {
  const brand = { name, logoUrl: 'https://cdn.example/logo.svg?v=1' };
  t.is(
    directive(
      contentSecurityPolicy(brand, [], ['https://print.example/a.png', 'javascript:x', '']),
      'img-src',
    ),
    "img-src 'self' https://cdn.example https://print.example",
  );
  t.is(
    directive(contentSecurityPolicy({ name, logoUrl: 'data:image/png;base64,AA' }), 'img-src'),
    "img-src 'self' data:",
  );
});

test('a form may lead to a redirect URI: an origin, or the scheme of an app', (t) => {
  const targets = [
    'https://print.example:8443/callback?x=1',
    'https://print.example:8443/other',
    'http://127.0.0.1:4711/cb',
    'com.example.app:/cb',
    'http://[::1]:4711/cb',
  ];
  t.is(
    directive(contentSecurityPolicy({ name }, targets), 'form-action'),
    "form-action 'self' https://print.example:8443 http://127.0.0.1:4711 com.example.app: http:",
  );
});

test('no URL can inject a directive into the policy', (t) => {
  const targets = [
    "https://x.example; script-src 'unsafe-inline'",
    "https://x.example/;script-src 'unsafe-inline'",
    "https://x.example;script-src 'unsafe-inline'/",
    'https://*.example/',
    "javascript:'*'",
    'data:text/html,x',
    '*',
    "'unsafe-inline'",
    'https://a.example,b/',
  ];
  t.is(
    directive(contentSecurityPolicy({ name }, targets), 'form-action'),
    "form-action 'self' https://x.example https:",
  );
});
