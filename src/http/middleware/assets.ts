// The static files of our pages. Each name contains the hash of its content.
import type { Middleware } from 'koa';
import { assets, type Brand } from '../../pages/brand.ts';

/** Serves the files, which browsers may cache for ever. */
export function serveAssets(brand: Brand): Middleware {
  const files = new Map(assets(brand).map((asset) => [asset.path, asset]));
  return async (ctx, next) => {
    const asset = ctx.method === 'GET' || ctx.method === 'HEAD' ? files.get(ctx.path) : undefined;
    if (!asset) return await next();
    ctx.set('Cache-Control', 'public, max-age=31536000, immutable');
    ctx.type = asset.type;
    ctx.body = asset.body;
  };
}
